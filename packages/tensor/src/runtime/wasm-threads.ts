/** @file The Wasm device's threads: workers that share its memory and run the same modules as the calling thread. Commands go
 * through shared memory, because a worker that waits for work must not depend on its event loop. */
import { InvariantError, UnsupportedError } from "../base/errors.ts";

/** Words of the command block. */
const COMMAND = {
  sequence: 0,
  op: 1,
  program: 2,
  address: 3,
  length: 4,
  table: 5,
  arena: 6,
  control: 7,
  done: 8,
  failed: 9,
  started: 10,
  words: 16,
} as const;
const OPS = { load: 1, run: 2, unload: 3, exit: 4 } as const;

/** What a worker runs; plain JavaScript, so that it works from a string in Node and in browsers. A worker that is idle spins for
 * about 100 µs, then sleeps. */
const WORKER_SOURCE = `
const start = ({ memory, commands, thread }) => {
  const words = new Int32Array(commands);
  const programs = new Map();
  let seen = 0;
  Atomics.add(words, ${COMMAND.started}, 1);
  for (;;) {
    for (let spins = 0; Atomics.load(words, ${COMMAND.sequence}) === seen; ) {
      if (++spins > 50000) Atomics.wait(words, ${COMMAND.sequence}, seen);
    }
    seen = Atomics.load(words, ${COMMAND.sequence});
    const op = Atomics.load(words, ${COMMAND.op});
    if (op === ${OPS.exit}) return;
    const program = words[${COMMAND.program}];
    try {
      if (op === ${OPS.run}) {
        programs.get(program)(thread, words[${COMMAND.control}], words[${COMMAND.table}], words[${COMMAND.arena}]);
        continue;
      }
      if (op === ${OPS.load}) {
        const bytes = new Uint8Array(memory.buffer, words[${COMMAND.address}] >>> 0, words[${COMMAND.length}]).slice();
        programs.set(program, new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports.run);
      } else programs.delete(program);
    } catch (error) {
      console.error(error);
      Atomics.store(words, ${COMMAND.failed}, 1);
    }
    Atomics.add(words, ${COMMAND.done}, 1);
    Atomics.notify(words, ${COMMAND.done});
  }
};
`;
const NODE_SOURCE = `${WORKER_SOURCE} require("node:worker_threads").parentPort.once("message", (message) => { start(message); process.exit(); });`;
const BROWSER_SOURCE = `${WORKER_SOURCE} onmessage = (event) => { start(event.data); close(); };`;

interface AnyWorker {
  /** Of browsers; Node throws what a worker throws. */
  onerror?: unknown;
  postMessage(message: unknown): void;
  terminate(): unknown;
  unref?(): void;
}

/** The parts of Node's worker_threads used here; absent in browsers. */
interface NodeProcess {
  getBuiltinModule?(id: string): { Worker: new (source: string, options: { eval: boolean; execArgv: readonly string[] }) => AnyWorker };
}

export interface RunArguments {
  readonly control: number;
  readonly table: number;
  readonly arena: number;
}

export class ThreadPool {
  /** Number of threads including the calling one. */
  readonly threads: number;
  readonly #workers: AnyWorker[];
  readonly #words: Int32Array;

  private constructor(workers: AnyWorker[], words: Int32Array) {
    this.#workers = workers;
    this.#words = words;
    this.threads = workers.length + 1;
  }

  /** Starts `threads - 1` workers and waits for them: a browser starts none while the calling thread is busy.
   * @throws UnsupportedError when one does not start. */
  static async start(threads: number, memory: WebAssembly.Memory): Promise<ThreadPool> {
    const commands = new SharedArrayBuffer(4 * COMMAND.words);
    const words = new Int32Array(commands);
    const url = node ? "" : URL.createObjectURL(new Blob([BROWSER_SOURCE], { type: "text/javascript" }));
    const workers: AnyWorker[] = [];
    let problem: unknown = null;
    try {
      while (workers.length < threads - 1) {
        const worker = createWorker(url);
        workers.push(worker);
        worker.onerror = (event: unknown) => {
          problem = event;
        };
        worker.postMessage({ memory, commands, thread: workers.length });
      }
      const deadline = performance.now() + PATIENCE;
      while (Atomics.load(words, COMMAND.started) < workers.length && !problem) {
        if (performance.now() > deadline) problem = new Error("no answer");
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } catch (error) {
      problem = error;
    } finally {
      if (url) URL.revokeObjectURL(url);
    }
    if (problem) {
      for (const worker of workers) worker.terminate();
      throw new UnsupportedError(
        "wasm: the worker threads did not start; if the page has a Content-Security-Policy, its worker-src must contain blob:, else use threads: 1",
        { cause: problem },
      );
    }
    // An idle pool does not keep Node alive.
    for (const worker of workers) worker.unref?.();
    return new ThreadPool(workers, words);
  }

  /** Makes every worker instantiate a module whose bytes are in shared memory. */
  load(program: number, address: number, length: number): void {
    this.#command(OPS.load, { [COMMAND.program]: program, [COMMAND.address]: address, [COMMAND.length]: length });
  }

  unload(program: number): void {
    this.#command(OPS.unload, { [COMMAND.program]: program });
  }

  /** Starts a program on every worker; the caller runs it too, and its last barrier joins them. */
  run(program: number, { control, table, arena }: RunArguments): void {
    const words = { [COMMAND.program]: program, [COMMAND.control]: control, [COMMAND.table]: table, [COMMAND.arena]: arena };
    this.#send(OPS.run, words);
  }

  close(): void {
    this.#send(OPS.exit, {});
    this.#workers.length = 0;
  }

  #send(op: number, values: Readonly<Record<number, number>>): void {
    for (const [word, value] of Object.entries(values)) this.#words[Number(word)] = value;
    Atomics.store(this.#words, COMMAND.op, op);
    Atomics.add(this.#words, COMMAND.sequence, 1);
    Atomics.notify(this.#words, COMMAND.sequence);
  }

  #command(op: number, values: Readonly<Record<number, number>>): void {
    Atomics.store(this.#words, COMMAND.done, 0);
    this.#send(op, values);
    const deadline = performance.now() + PATIENCE;
    for (let done = Atomics.load(this.#words, COMMAND.done); done < this.#workers.length; done = Atomics.load(this.#words, COMMAND.done)) {
      if (Atomics.load(this.#words, COMMAND.failed) !== 0) throw new InvariantError("wasm: a worker could not load a program");
      if (performance.now() > deadline) throw new UnsupportedError("wasm: the worker threads do not answer; use threads: 1");
      Atomics.wait(this.#words, COMMAND.done, done, 100);
    }
  }
}

/** Milliseconds after which workers count as broken. Starting them takes a tenth of a second. */
const PATIENCE = 60_000;

const node = (globalThis as { process?: NodeProcess }).process?.getBuiltinModule?.("node:worker_threads");

function createWorker(url: string): AnyWorker {
  // Options of the program, such as `--input-type=module`, are not meant for the worker's script.
  return node ? new node.Worker(NODE_SOURCE, { eval: true, execArgv: [] }) : new Worker(url);
}

/** Why programs cannot run on several threads here, and what to do about it; null if they can. */
export function threadsProblem(): string | null {
  if (node) return null;
  if (typeof SharedArrayBuffer === "undefined" || !globalThis.crossOriginIsolated) {
    return (
      "memory cannot be shared because the page is not cross-origin isolated; serve it over HTTPS or from localhost with the headers " +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp"
    );
  }
  if (typeof document !== "undefined") return "a page's main thread may not wait for others; open the device in a Worker";
  return typeof Worker === "undefined" ? "there are no Workers; open the device where there are" : null;
}
