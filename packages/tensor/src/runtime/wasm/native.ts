/** @file Native code beside WebAssembly: a program's planned kernels as machine code that works on the same linear memory, called from the same module. */
import { isPlanned, planKernel } from "../../codegen/plan/index.ts";
import type { Plan } from "../../codegen/plan/language.ts";
import { planLoopKernel } from "../../codegen/plan/loop.ts";
import { planRandom } from "../../codegen/plan/random.ts";
import type { NativeKernel } from "../../codegen/wasm/program.ts";
import { NativeEncoder } from "../../codegen/x64/program.ts";
import { AVX2, AVX512, type VectorSet, x64Machine } from "../../codegen/x64/registers.ts";
import { checkExtents } from "../../ir/extents.ts";
import type { Kernel } from "../../ir/kernel.ts";

/** A function in machine code: the place of an entry in its code, a task, three buffers and scratch memory. */
export type NativeFunction = (entry: number, task: number, first: number, second: number, third: number, scratch: number) => void;

/** Instructions that machine code may use. Results do not depend on them. */
export type InstructionSet = "avx2" | "avx512";
const VECTORS: Readonly<Record<InstructionSet, VectorSet>> = { avx2: AVX2, avx512: AVX512 };

/** What puts machine code into this process. Made by `nodeNative` of `@gradalign/robustness/node`. */
export interface NativeHost {
  /** The best that the processor has. */
  readonly instructions: InstructionSet;
  /** Where the view's first byte is. */
  addressOf(view: Uint8Array): bigint;
  /** Copies code to memory that can be executed and not written. */
  load(code: Uint8Array): { readonly address: bigint; free(): void };
  /** The function whose code starts there. */
  bind(address: bigint): NativeFunction;
  /** `bind` for worker threads: an expression of plain JavaScript, with `require`. */
  readonly binder: string;
}

/** Machine code of a program's kernels, in place. */
export interface NativeCode {
  readonly address: bigint;
  readonly call: NativeFunction;
  readonly bytes: number;
  kernel(kernel: Kernel): NativeKernel | undefined;
  free(): void;
}

/** The plan by which a kernel becomes machine code; null where it stays WebAssembly. */
export function nativePlan(kernel: Kernel, instructions: InstructionSet): Plan | null {
  const machine = x64Machine(VECTORS[instructions]);
  if (isPlanned(kernel)) return planKernel(kernel, machine);
  if (kernel.kind === "random") return planRandom(kernel, machine);
  return kernel.kind === "loop" ? planLoopKernel(kernel, machine) : null;
}

/** Makes the code for those kernels that have a plan; the memory must not move. */
export function compileNative(kernels: readonly Kernel[], host: NativeHost, memory: WebAssembly.Memory): NativeCode {
  const encoder = new NativeEncoder(host.addressOf(new Uint8Array(memory.buffer)), VECTORS[host.instructions]);
  const natives = new Map<Kernel, NativeKernel>();
  for (const kernel of new Set(kernels)) {
    checkExtents(kernel);
    const plan = nativePlan(kernel, host.instructions);
    if (!plan) continue;
    const scratchBytes = Math.ceil(plan.scratchBytes / 4) * 4;
    natives.set(kernel, { tasks: plan.tasks, entry: encoder.add(plan), scratchBytes, table: kernel.kind === "loop" });
  }
  const code = encoder.finish();
  const { address, free } = host.load(code);
  return { address, call: host.bind(address), bytes: code.length, kernel: (kernel) => natives.get(kernel), free };
}
