/** @file Runs single kernels on guarded memory, with numbers whose sums are exact. */
import v8 from "node:v8";
import { expect } from "vitest";
import { FunctionBuilder } from "../../src/codegen/wasm/function-builder.ts";
import type { KernelCode, ModuleContext } from "../../src/codegen/wasm/kernel-code.ts";
import { encodeModule } from "../../src/codegen/wasm/module.ts";
import { SIMD } from "../../src/codegen/wasm/opcodes.ts";

// Node 20 has relaxed SIMD behind this flag; later versions have it on and ignore the flag.
v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

const MEMORY = { initialPages: 1, maximumPages: 256, shared: true };
const PAGE_FLOATS = 16384;
/** Untouched floats around each buffer. */
const GUARD = 32;
export const GUARD_VALUE = 12345;

export function relaxedAvailable(): boolean {
  const probe = new FunctionBuilder([]);
  probe.v128(0).v128(0).v128(0).simd(SIMD.f32x4_relaxed_madd).emit(0x1a);
  return WebAssembly.validate(encodeModule([probe], { probe: 0 }, MEMORY));
}

/** Pseudo-random multiples of 1/8 in [-1, 1): products and moderate sums are exact in float32, so results can be compared exactly. */
export function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 28) / 8 - 1;
  });
}

function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  const keys = numbers(count, 5).map((x, i) => x + ((i * 7919) % 1009));
  return order.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0));
}

/** Index of the first element that differs, -1 if none does. */
export function firstDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  return a.findIndex((x, i) => x !== b[i]);
}

/** For kernels that need no scratch memory. */
export const noScratch = (): never => {
  throw new Error("this kernel asks for scratch memory");
};

/** Runs all tasks in a shuffled order on fresh memory and returns the output buffer; the other floats must stay as they were. */
export function execute(emit: (module: ModuleContext) => KernelCode, relaxed: boolean, inputs: readonly Float32Array[], outputSize: number): Float32Array {
  const functions: FunctionBuilder[] = [];
  const code = emit({ add: (f) => functions.push(f) - 1, scratch: noScratch, relaxed, wide: false });
  const bytes = encodeModule(functions, { entry: code.entry }, MEMORY);
  let next = GUARD;
  const addresses = [...inputs.map((x) => x.length), outputSize].map((size) => {
    const start = next;
    next += size + GUARD;
    return start;
  });
  const memory = new WebAssembly.Memory({ initial: Math.ceil(next / PAGE_FLOATS), maximum: MEMORY.maximumPages, shared: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const all = new Float32Array(memory.buffer).fill(GUARD_VALUE);
  inputs.forEach((x, i) => {
    all.set(x, addresses[i] ?? 0);
  });
  const before = all.slice();
  const entry = instance.exports["entry"] as (task: number, ...buffers: number[]) => void;
  for (const task of shuffled(code.tasks)) entry(task, ...addresses.map((a) => 4 * a));
  const start = addresses.at(-1) ?? 0;
  const output = all.slice(start, start + outputSize);
  before.set(output, start);
  expect(firstDifference(all, before)).toBe(-1);
  return output;
}
