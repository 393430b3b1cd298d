/** @file A program as one WebAssembly module, whose `run` function calls the kernels in order. Calls of one kernel share its code: only addresses
 * differ. */
import { checkExtents } from "../../ir/extents.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { isPlanned, planKernel } from "../plan/index.ts";
import { wasmMachine } from "../plan/machine.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { type KernelCode, type ModuleContext, SCRATCH } from "./kernel-code.ts";
import { emitLoop } from "./loop.ts";
import { encodeModule, type ModuleMemory } from "./module.ts";
import { I32, OP } from "./opcodes.ts";
import { emitPlan } from "./plan-code.ts";
import { emitRandom } from "./random.ts";
import { emitScatter } from "./scatter.ts";
import { ARENA, abortFunction, CONTROL, doneFunction, type Meeting, pushBuffers, RUN, SharedCalls, THREAD, waitFunction } from "./threads.ts";
import { type ProgramCall, type UnitCall, unitCalls } from "./units.ts";

interface EncodedProgram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of control block that a run needs. */
  readonly controlBytes: number;
  /** Bytes of arena that a run needs: the intermediate values, then scratch memory for each thread, with what is local to it behind. */
  readonly arenaBytes: number;
  /** Where in the arena the first thread's scratch memory starts. */
  readonly scratchOffset: number;
  /** Where in the arena what is local to the first thread starts. */
  readonly localOffset: number;
  /** Per call, for profiling: the name of the exported kernel function and its number of tasks. */
  readonly entries: readonly { readonly name: string; readonly tasks: number }[];
}

/** A kernel in machine code, as the module calls it: through the imported function `env.native(entry, task, three buffers, scratch memory)`. */
export interface NativeKernel {
  readonly tasks: number;
  readonly entry: number;
  readonly scratchBytes: number;
  /** Instead of the buffers it gets the address of a table of them, which lies behind its scratch memory. */
  readonly table: boolean;
}

export interface ProgramOptions {
  readonly memory: ModuleMemory;
  /** Threads that run the program; more than one need shared memory. */
  readonly threads: number;
  /** Bytes of the intermediate values. */
  readonly arenaBytes: number;
  /** Bytes of what is local to a thread. */
  readonly localBytes?: number;
  readonly relaxed: boolean;
  readonly wide: boolean;
  /** Where given: the kernels that there is machine code for. */
  readonly native?: (kernel: Kernel) => NativeKernel | undefined;
}

/** Encodes `run(thread, control, table, arena)`, `abort(control)`, which makes every thread that waits in `run` trap, and `scratch(address)` for those
 * who call kernels themselves. The address table holds one i32 per slot. With unshared memory the module contains no atomics and serves one thread. */
export function encodeProgram(
  calls: readonly ProgramCall[],
  { memory, threads, arenaBytes, localBytes = 0, relaxed, wide, native }: ProgramOptions,
): EncodedProgram {
  const functions: FunctionBuilder[] = [];
  let scratchBytes = 0;
  const scratch = (bytes: number): number => {
    scratchBytes = Math.max(scratchBytes, alignUp(bytes));
    return 0;
  };
  const imports = native ? [{ name: "native", params: Array<typeof I32>(6).fill(I32) }] : [];
  const module: ModuleContext = { add: (f) => imports.length + functions.push(f) - 1, scratch, relaxed, wide };
  const known = new Map<Kernel, KernelCode>();
  const codes = calls.map(({ kernel, buffers }) => {
    let code = known.get(kernel);
    if (!code) {
      const machineCode = native?.(kernel);
      code = machineCode ? emitNative(machineCode, buffers.length, module) : emitKernel(kernel, module);
      known.set(kernel, code);
    }
    return code;
  });
  const meeting = memory.shared ? { done: module.add(doneFunction()), wait: module.add(waitFunction()) } : null;
  const scratchOffset = alignUp(arenaBytes);
  const units = unitCalls(calls, codes, module, scratchBytes);
  const run = module.add(runFunction(units, module, { threads, meeting, scratchOffset, scratchBytes, localBytes }));
  const scratchSetter = module.add(new FunctionBuilder([I32]).get(0).globalSet(SCRATCH));
  const entries = codes.map(({ entry, tasks }) => ({ name: `kernel${entry}`, tasks }));
  const abort = memory.shared ? { abort: module.add(abortFunction()) } : {};
  const exports = { run, ...abort, scratch: scratchSetter, ...Object.fromEntries(codes.map(({ entry }) => [`kernel${entry}`, entry])) };
  return {
    bytes: encodeModule(functions, exports, memory, imports),
    controlBytes: CONTROL.size + 4 * (threads + 1) * units.length,
    arenaBytes: scratchOffset + threads * (scratchBytes + localBytes),
    scratchOffset,
    localOffset: scratchOffset + scratchBytes,
    entries,
  };
}

/** The next multiple of a cache line. */
function alignUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** Adds the code of a kernel to a module. */
export function emitKernel(kernel: Kernel, module: ModuleContext): KernelCode {
  checkExtents(kernel);
  if (isPlanned(kernel)) return emitPlan(planKernel(kernel, wasmMachine(module.wide)), module);
  switch (kernel.kind) {
    case "loop":
      return emitLoop(kernel, module);
    case "random":
      return emitRandom(kernel, module);
    case "scatter-add":
      return emitScatter(kernel, module);
  }
}

/** A kernel's function that calls machine code, the module's first import. */
function emitNative({ tasks, entry, scratchBytes, table }: NativeKernel, buffers: number, module: ModuleContext): KernelCode {
  module.scratch(scratchBytes + (table ? 4 * buffers : 0));
  const f = new FunctionBuilder(Array<typeof I32>(1 + buffers).fill(I32));
  for (let i = 0; table && i < buffers; i++)
    f.globalGet(SCRATCH)
      .get(i + 1)
      .i32Store(scratchBytes + 4 * i);
  f.i32(entry).get(0);
  if (table) f.globalGet(SCRATCH).i32(scratchBytes).op(OP.i32_add).i32(0).i32(0);
  else for (let i = 0; i < 3; i++) i < buffers ? f.get(i + 1) : f.i32(0);
  f.globalGet(SCRATCH).call(0);
  return { tasks, entry: module.add(f) };
}

/** Calls in one function, at most: for long functions engines take time and memory out of proportion. */
const MOST_CALLS = 64;

interface RunOptions {
  readonly threads: number;
  /** Null where memory is not shared. */
  readonly meeting: Meeting | null;
  /** Where in the arena the first thread's scratch memory starts. */
  readonly scratchOffset: number;
  /** Bytes of a thread's scratch memory. */
  readonly scratchBytes: number;
  /** Bytes of what is local to it, behind that. */
  readonly localBytes: number;
}

/** run(thread, control, table, arena): the calls in order, in functions of some calls each where they are many. */
function runFunction(calls: readonly UnitCall[], module: ModuleContext, options: RunOptions): FunctionBuilder {
  const { threads, meeting, scratchOffset, scratchBytes, localBytes } = options;
  const f = new FunctionBuilder(RUN);
  f.get(ARENA)
    .i32(scratchOffset)
    .op(OP.i32_add)
    .get(THREAD)
    .i32(scratchBytes + localBytes)
    .op(OP.i32_mul, OP.i32_add)
    .globalSet(SCRATCH);
  const shared = meeting && new SharedCalls(calls, module, threads, meeting);
  const emit = (part: FunctionBuilder, from: number, to: number): void => {
    if (shared) for (let i = from; i < to; i++) shared.emit(part, i);
    else emitPlain(part, calls.slice(from, to));
  };
  if (calls.length <= MOST_CALLS) emit(f, 0, calls.length);
  else {
    for (let from = 0; from < calls.length; from += MOST_CALLS) {
      const part = new FunctionBuilder(RUN);
      emit(part, from, Math.min(calls.length, from + MOST_CALLS));
      for (const parameter of RUN.keys()) f.get(parameter);
      f.call(module.add(part));
    }
  }
  shared?.emitEnd(f);
  return f;
}

/** Calls for one thread: task by task. */
function emitPlain(f: FunctionBuilder, calls: readonly UnitCall[]): void {
  const task = f.local(I32);
  // Not needed, but part of every module that goldens know.
  for (let i = 0; i < 3; i++) f.local(I32);
  for (const { buffers, code } of calls) {
    f.countedLoop(task, 0, code.tasks, 1, () => {
      f.get(task);
      pushBuffers(f, buffers);
      f.call(code.entry);
    });
  }
}
