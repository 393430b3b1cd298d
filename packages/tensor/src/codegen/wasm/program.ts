/** @file A program as one WebAssembly module. Its `run` function calls the kernels in order; threads claim tasks of the current
 * kernel from atomic counters, and go on to the next when none is left; they wait before a kernel that needs what others are still at. Calls of one
 * kernel share its code: only addresses differ. */
import { checkExtents } from "../../ir/extents.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { type Chain, unitsOf } from "../../ir/parts.ts";
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

/** A buffer of a kernel call: a fixed place in the arena or in the thread's own memory, or entry `slot` of the run's address table. */
export type BufferRef = { readonly kind: "arena" | "local"; readonly offset: number } | { readonly kind: "slot"; readonly slot: number };

interface ProgramCall {
  readonly kernel: Kernel;
  readonly buffers: readonly BufferRef[];
  /** Of a chain: the bytes that each buffer starts further on for the next part. */
  readonly chain?: Chain;
  readonly steps?: readonly number[];
  /** Of a call alone or the first one of a chain: the earlier ones of these, by number, that must be done before; if not given, all of them. */
  readonly waits?: readonly number[];
}

/** Byte offsets in the control block that threads share. */
export const CONTROL = {
  /** Twice the number of units done (kernels alone, or chains), plus 1 once the program is given up. */
  generation: 0,
  /** Threads asleep until the generation changes. */
  sleeping: 64,
  /** Size of the fixed part, which keeps its contents between runs. Counters that start at 0 follow, for each unit: the tasks claimed of each thread's
   * share, then the tasks done. */
  size: 128,
} as const;

/** Loads before a waiting thread goes to sleep, some tenths of a millisecond. Measured on an FGSM step of the single-layer network, some seventy waits, on
 * two threads of two cores, medians, interleaved: alone 5.14 ms with 50,000 loads and 4.37 with 300,000; beside two busy processes 11.0 and 8.5 ms. When
 * threads waited for one another rather than for tasks, with 300,000 loads, 4.77 alone and 18.5 ms. */
const SPINS = 300_000;

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

const RUN = [I32, I32, I32, I32] as const;
const [THREAD, CONTROL_BLOCK, TABLE, ARENA] = [0, 1, 2, 3] as const;

/** Calls in one function, at most: for long functions engines take time and memory out of proportion. */
const MOST_CALLS = 64;

interface RunOptions {
  readonly threads: number;
  /** The functions that note tasks as done and that wait for a kernel; null where memory is not shared. */
  readonly meeting: { readonly done: number; readonly wait: number } | null;
  /** Where in the arena the first thread's scratch memory starts. */
  readonly scratchOffset: number;
  /** Bytes of a thread's scratch memory. */
  readonly scratchBytes: number;
  /** Bytes of what is local to it, behind that. */
  readonly localBytes: number;
}

/** A kernel alone or a chain, of which each task is a part. */
interface UnitCall extends Pick<ProgramCall, "buffers" | "waits"> {
  readonly code: KernelCode;
}

/** Chains as kernels. Chains of the same kernels share a function. */
function unitCalls(calls: readonly ProgramCall[], codes: readonly KernelCode[], module: ModuleContext, scratchBytes: number): UnitCall[] {
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

/** Pushes the addresses of a call's buffers. */
function pushBuffers(f: FunctionBuilder, buffers: readonly BufferRef[]): void {
  for (const ref of buffers) {
    if (ref.kind === "slot") f.get(TABLE).i32Load(4 * ref.slot);
    else f.get(ARENA).i32(ref.offset).op(OP.i32_add);
  }
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

/** Calls for several threads. Every thread has a share of a kernel's tasks, the same part each time, so that what it wrote in one kernel is still in its
 * caches for the next; done with its own it takes what is left of the others'. A thread that has no task in hand is not waited for: while the system
 * runs something else in its place, the others do its share. A kernel whose tasks are all claimed is left, and waited for before the first one that
 * needs it. */
class SharedCalls {
  readonly #calls: readonly UnitCall[];
  readonly #module: ModuleContext;
  readonly #threads: number;
  readonly #meeting: NonNullable<RunOptions["meeting"]>;
  /** The function of each kernel that claims and does its tasks. */
  readonly #jobs = new Map<KernelCode, number>();
  /** Calls that were not waited for. */
  readonly #open = new Set<number>();

  constructor(calls: readonly UnitCall[], module: ModuleContext, threads: number, meeting: NonNullable<RunOptions["meeting"]>) {
    this.#calls = calls;
    this.#module = module;
    this.#threads = threads;
    this.#meeting = meeting;
  }

  emit(f: FunctionBuilder, i: number): void {
    const { buffers, code, waits = [...this.#open] } = this.#calls[i]!;
    for (const earlier of waits) this.#wait(f, earlier);
    this.#open.add(i);
    let job = this.#jobs.get(code);
    if (job === undefined) {
      job = this.#module.add(this.#job(code, buffers.length));
      this.#jobs.set(code, job);
    }
    f.get(THREAD).get(CONTROL_BLOCK);
    this.#pushCounters(f, i, 0);
    pushBuffers(f, buffers);
    f.call(job);
  }

  /** Waits for all calls. */
  emitEnd(f: FunctionBuilder): void {
    for (const i of this.#open) this.#wait(f, i);
  }

  #wait(f: FunctionBuilder, i: number): void {
    f.get(CONTROL_BLOCK);
    this.#pushCounters(f, i, this.#threads);
    f.i32(this.#calls[i]!.code.tasks).call(this.#meeting.wait);
    this.#open.delete(i);
  }

  /** Pushes the address of one of a call's counters. */
  #pushCounters(f: FunctionBuilder, i: number, counter: number): void {
    f.get(CONTROL_BLOCK)
      .i32(CONTROL.size + 4 * ((this.#threads + 1) * i + counter))
      .op(OP.i32_add);
  }

  /** (thread, control, counters, buffers …): claims tasks of a kernel and does them, as long as there are any. */
  #job({ tasks, entry }: KernelCode, buffers: number): FunctionBuilder {
    const threads = this.#threads;
    const [thread, control, counters, first] = [0, 1, 2, 3];
    const f = new FunctionBuilder(new Array<typeof I32>(first + buffers).fill(I32));
    const [task, turn, share, end, done] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
    const pushBorder = (): void => {
      f.i32(tasks).op(OP.i32_mul).i32(threads).op(OP.i32_div_u);
    };
    f.loop(() => {
      f.get(thread).get(turn).op(OP.i32_add).i32(threads).op(OP.i32_rem_u).tee(share).i32(1).op(OP.i32_add);
      pushBorder();
      f.set(end);
      f.block(() => {
        f.loop(() => {
          f.get(counters).get(share).i32(2).op(OP.i32_shl, OP.i32_add).i32(1).atomicAdd().get(share);
          pushBorder();
          f.op(OP.i32_add).tee(task).get(end).op(OP.i32_ge_u).branchIf(1);
          f.get(task);
          for (let i = 0; i < buffers; i++) f.get(first + i);
          f.call(entry).get(done).i32(1).op(OP.i32_add).set(done).branch(0);
        });
      });
      f.get(turn).i32(1).op(OP.i32_add).tee(turn).i32(threads).op(OP.i32_lt_s).branchIf(0);
    });
    f.get(control)
      .get(counters)
      .i32(4 * threads)
      .op(OP.i32_add)
      .get(done)
      .i32(tasks)
      .call(this.#meeting.done);
    return f;
  }
}

/** (control, counter, done, tasks): notes that a thread did so many tasks of a kernel. Who does the last wakes those who wait. */
function doneFunction(): FunctionBuilder {
  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [control, counter, done, tasks] = [0, 1, 2, 3];
  f.get(done).if(() => {
    f.get(counter).get(done).atomicAdd().get(done).op(OP.i32_add).get(tasks).op(OP.i32_eq);
    f.if(() => {
      f.get(control).i32(2).atomicAdd(CONTROL.generation).op(OP.drop);
      f.get(control)
        .atomicLoad(CONTROL.sleeping)
        .if(() => {
          f.get(control).i32(-1).atomicNotify(CONTROL.generation).op(OP.drop);
        });
    });
  });
  return f;
}

/** (control, counter, tasks): returns when all of a kernel's tasks are done, and traps when the program is given up; spins, then sleeps. */
function waitFunction(): FunctionBuilder {
  const f = new FunctionBuilder([I32, I32, I32]);
  const [control, counter, tasks] = [0, 1, 2];
  const [generation, spins] = [f.local(I32), f.local(I32)];
  const returnIfComplete = (): void => {
    f.get(counter)
      .atomicLoad()
      .get(tasks)
      .op(OP.i32_eq)
      .if(() => f.op(OP.return));
  };
  f.i32(SPINS).set(spins);
  f.loop(() => {
    returnIfComplete();
    f.get(spins).i32(1).op(OP.i32_sub).tee(spins).branchIf(0);
  });
  f.loop(() => {
    f.get(control)
      .atomicLoad(CONTROL.generation)
      .tee(generation)
      .i32(1)
      .op(OP.i32_and)
      .if(() => f.op(OP.unreachable));
    returnIfComplete();
    // Who does the last task now sees a sleeper, or has changed the generation: then the wait ends at once.
    f.get(control).i32(1).atomicAdd(CONTROL.sleeping).op(OP.drop);
    f.get(control).get(generation).i64(1_000_000_000).atomicWait(CONTROL.generation).op(OP.drop);
    f.get(control).i32(-1).atomicAdd(CONTROL.sleeping).op(OP.drop);
    f.branch(0);
  });
  return f;
}

/** (control): gives the program up for good. */
function abortFunction(): FunctionBuilder {
  const f = new FunctionBuilder([I32]);
  f.get(0).get(0).atomicLoad(CONTROL.generation).i32(1).op(OP.i32_or).atomicStore(CONTROL.generation);
  f.get(0).i32(-1).atomicNotify(CONTROL.generation).op(OP.drop);
  return f;
}
