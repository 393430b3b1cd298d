/** @file How threads share a program's calls: they claim tasks of the current kernel from atomic counters, go on to the next when none is left, and
 * wait before a kernel that needs what others are still at. */
import { FunctionBuilder } from "./function-builder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { I32, OP } from "./opcodes.ts";
import type { BufferRef, UnitCall } from "./units.ts";

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

/** Parameters of the functions that do calls. */
export const RUN = [I32, I32, I32, I32] as const;
export const [THREAD, CONTROL_BLOCK, TABLE, ARENA] = [0, 1, 2, 3] as const;

/** Pushes the addresses of a call's buffers. */
export function pushBuffers(f: FunctionBuilder, buffers: readonly BufferRef[]): void {
  for (const ref of buffers) {
    if (ref.kind === "slot") f.get(TABLE).i32Load(4 * ref.slot);
    else f.get(ARENA).i32(ref.offset).op(OP.i32_add);
  }
}

/** The functions that note tasks as done and that wait for a kernel. */
export interface Meeting {
  readonly done: number;
  readonly wait: number;
}

/** Calls for several threads. Every thread has a share of a kernel's tasks, the same part each time, so that what it wrote in one kernel is still in its
 * caches for the next; done with its own it takes what is left of the others'. A thread that has no task in hand is not waited for: while the system
 * runs something else in its place, the others do its share. A kernel whose tasks are all claimed is left, and waited for before the first one that
 * needs it. */
export class SharedCalls {
  readonly #calls: readonly UnitCall[];
  readonly #module: ModuleContext;
  readonly #threads: number;
  readonly #meeting: Meeting;
  /** The function of each kernel that claims and does its tasks. */
  readonly #jobs = new Map<KernelCode, number>();
  /** Calls that were not waited for. */
  readonly #open = new Set<number>();

  constructor(calls: readonly UnitCall[], module: ModuleContext, threads: number, meeting: Meeting) {
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
export function doneFunction(): FunctionBuilder {
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
export function waitFunction(): FunctionBuilder {
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
export function abortFunction(): FunctionBuilder {
  const f = new FunctionBuilder([I32]);
  f.get(0).get(0).atomicLoad(CONTROL.generation).i32(1).op(OP.i32_or).atomicStore(CONTROL.generation);
  f.get(0).i32(-1).atomicNotify(CONTROL.generation).op(OP.drop);
  return f;
}
