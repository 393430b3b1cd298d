/** @file Calls of a program, and its units: kernels alone, and chains of kernels, which are called as if they were one. */
import type { Kernel } from "../../ir/kernel.ts";
import { type Chain, unitsOf } from "../../ir/parts.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { type KernelCode, type ModuleContext, SCRATCH } from "./kernel-code.ts";
import { I32, OP } from "./opcodes.ts";

/** A buffer of a kernel call: a fixed place in the arena or in the thread's own memory, or entry `slot` of the run's address table. */
export type BufferRef = { readonly kind: "arena" | "local"; readonly offset: number } | { readonly kind: "slot"; readonly slot: number };

/** A call of a kernel. */
export interface ProgramCall {
  readonly kernel: Kernel;
  readonly buffers: readonly BufferRef[];
  /** Of a chain: the bytes that each buffer starts further on for the next part. */
  readonly chain?: Chain;
  readonly steps?: readonly number[];
  /** Of a call alone or the first one of a chain: the earlier ones of these, by number, that must be done before; if not given, all of them. */
  readonly waits?: readonly number[];
}

/** A kernel alone or a chain, of which each task is a part. */
export interface UnitCall extends Pick<ProgramCall, "buffers" | "waits"> {
  readonly code: KernelCode;
}

/** Chains as kernels. Chains of the same kernels share a function. */
export function unitCalls(calls: readonly ProgramCall[], codes: readonly KernelCode[], module: ModuleContext, scratchBytes: number): UnitCall[] {
  const known = new Map<string, KernelCode>();
  return unitsOf(calls.map((call, i) => ({ ...call, code: codes[i]! }))).map((unit) => {
    const { chain, waits, buffers, code } = unit[0]!;
    const waiting = waits ? { waits } : {};
    if (!chain) return { code, buffers, ...waiting };
    const outside = unit.map((call) => call.buffers.filter(({ kind }) => kind !== "local"));
    const key = JSON.stringify([
      chain.parts,
      unit.map((call) => [call.code.entry, call.steps, call.buffers.map((ref) => (ref.kind === "local" ? ref.offset : -1))]),
    ]);
    const joined = known.get(key) ?? { tasks: chain.parts, entry: module.add(partFunction(unit, outside.flat().length, scratchBytes)) };
    known.set(key, joined);
    return { code: joined, buffers: outside.flat(), ...waiting };
  });
}

/** (part, buffers … of all kernels, but for what is local): does a part of a chain. */
function partFunction(unit: readonly (ProgramCall & { readonly code: KernelCode })[], buffers: number, scratchBytes: number): FunctionBuilder {
  const f = new FunctionBuilder(new Array<typeof I32>(1 + buffers).fill(I32));
  const [part, step] = [0, f.local(I32)];
  let next = 1;
  for (const { code, buffers: refs, steps } of unit) {
    const first = next;
    f.countedLoop(step, 0, code.tasks, 1, () => {
      f.get(step);
      next = first;
      refs.forEach((ref, i) => {
        if (ref.kind === "local") {
          f.globalGet(SCRATCH)
            .i32(scratchBytes + ref.offset)
            .op(OP.i32_add);
          return;
        }
        f.get(next++);
        const bytes = steps?.[i] ?? 0;
        if (bytes > 0) f.get(part).i32(bytes).op(OP.i32_mul, OP.i32_add);
      });
      f.call(code.entry);
    });
  }
  return f;
}
