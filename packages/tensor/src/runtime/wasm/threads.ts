/** @file The Wasm device's threads: workers that share its memory and run the same modules as the calling thread. Commands go
 * through shared memory, because a worker that waits for work must not depend on its event loop. */
import { DeviceError, UnsupportedError } from "../../base/errors.ts";

/** Words of the command block. */
const COMMAND = {
  /** Odd while a command may be taken up: twice the number of commands so far, less 1; else even. */
  ticket: 0,
  op: 1,
  program: 2,
  address: 3,
  length: 4,
  table: 5,
  arena: 6,
  control: 7,
  /** Workers that have carried a command out, where that is waited for. */
  done: 8,
  /** Length of what a worker that failed had to say. */
  failed: 9,
  started: 10,
  /** Workers that are at a command, or find out whether they may. */
  inside: 11,
  /** The address of a program's machine code, two words; 0 where it has none. */
  native: 12,
  words: 16,
} as const;
const OPS = { load: 1, run: 2, unload: 3, exit: 4 } as const;
/** Characters kept of what a failed worker says, after the words. */
const TEXT = 256;

/** Loads before a thread that waits for a command, or for workers to be done with one, goes to sleep: about 100 µs. */
const SPINS = 50_000;

/** What a worker runs; plain JavaScript, so that it works from a string in Node and in browsers. */
const WORKER_SOURCE = `
const start = ({ memory, commands, thread, binder }) => {
  const bind = binder && eval(binder);
  const words = new Int32Array(commands, 0, ${COMMAND.words});
  const text = new Uint16Array(commands, 4 * ${COMMAND.words});
  const programs = new Map();
  let seen = 0;
  const perform = (op, program) => {
    if (op === ${OPS.run}) {
      programs.get(program).run(thread, words[${COMMAND.control}], words[${COMMAND.table}], words[${COMMAND.arena}]);
    } else if (op === ${OPS.load}) {
      const bytes = new Uint8Array(memory.buffer, words[${COMMAND.address}] >>> 0, words[${COMMAND.length}]).slice();
      const code = new BigUint64Array(commands, 4 * ${COMMAND.native}, 1)[0];
      const env = { memory, ...(code ? { native: bind(code) } : {}) };
      programs.set(program, new WebAssembly.Instance(new WebAssembly.Module(bytes), { env }).exports);
    } else programs.delete(program);
  };
  Atomics.add(words, ${COMMAND.started}, 1);
  for (;;) {
    let ticket;
    for (let spins = 0; (ticket = Atomics.load(words, ${COMMAND.ticket})) === seen || (ticket & 1) === 0; ) {
      if (++spins > ${SPINS}) Atomics.wait(words, ${COMMAND.ticket}, ticket);
    }
    Atomics.add(words, ${COMMAND.inside}, 1);
    // Else the command was withdrawn, and its words may be changing.
    const open = Atomics.load(words, ${COMMAND.ticket}) === ticket;
    const [op, program] = [words[${COMMAND.op}], words[${COMMAND.program}]];
    if (open) {
      seen = ticket;
      try {
        perform(op, program);
      } catch (error) {
        const message = String(error).slice(0, ${TEXT});
        if (Atomics.load(words, ${COMMAND.failed}) === 0) {
          for (let i = 0; i < message.length; i++) text[i] = message.charCodeAt(i);
          Atomics.store(words, ${COMMAND.failed}, message.length);
        }
        if (op === ${OPS.run}) programs.get(program)?.abort(words[${COMMAND.control}]);
      }
      Atomics.add(words, ${COMMAND.done}, 1);
      Atomics.notify(words, ${COMMAND.done});
    }
    Atomics.sub(words, ${COMMAND.inside}, 1);
    Atomics.notify(words, ${COMMAND.inside});
    if (open && op === ${OPS.exit}) return;
  }
};
`;
const NODE_SOURCE = `${WORKER_SOURCE} require("node:worker_threads").parentPort.once("message", (message) => { start(message); process.exit(); });`;
const BROWSER_SOURCE = `${WORKER_SOURCE} onmessage = (event) => { start(event.data); close(); };`;

interface AnyWorker {
  /** Of browsers. */
  onerror?: unknown;
  /** Of Node. */
  on?(event: "error" | "exit", listener: (reason: unknown) => void): void;
  postMessage(message: unknown): void;
  terminate(): unknown;
  unref?(): void;
}

/** The parts of Node's worker_threads used here; absent in browsers. */
interface NodeProcess {
  getBuiltinModule?(id: string): { Worker: new (source: string, options: { eval: boolean; execArgv: readonly string[] }) => AnyWorker };
}

interface RunArguments {
  readonly control: number;
  readonly table: number;
  readonly arena: number;
}

export class ThreadPool {
  /** Number of threads including the calling one. */
  readonly threads: number;
  readonly #workers: AnyWorker[];
  readonly #words: Int32Array;
  readonly #text: Uint16Array;
  /** Why a worker ended; found out when the event loop turns. */
  readonly #ended: { reason: unknown };

  private constructor(workers: AnyWorker[], commands: SharedArrayBuffer, ended: { reason: unknown }) {
    this.#workers = workers;
    this.#words = new Int32Array(commands, 0, COMMAND.words);
    this.#text = new Uint16Array(commands, 4 * COMMAND.words);
    this.#ended = ended;
    this.threads = workers.length + 1;
  }

  /** Starts `threads - 1` workers and waits for them: a browser starts none while the calling thread is busy. Those that shall call machine code
   * get its `binder`.
   * @throws UnsupportedError when one does not start. */
  static async start(threads: number, memory: WebAssembly.Memory, binder?: string): Promise<ThreadPool> {
    const commands = new SharedArrayBuffer(4 * COMMAND.words + 2 * TEXT);
    const words = new Int32Array(commands, 0, COMMAND.words);
    const url = node ? "" : URL.createObjectURL(new Blob([BROWSER_SOURCE], { type: "text/javascript" }));
    const workers: AnyWorker[] = [];
    const ended: { reason: unknown } = { reason: null };
    const end = (reason: unknown): void => {
      ended.reason ??= reason;
    };
    try {
      while (workers.length < threads - 1) {
        const worker = createWorker(url);
        workers.push(worker);
        worker.onerror = end;
        worker.on?.("error", end);
        worker.on?.("exit", (code) => end(`exit code ${code}`));
        worker.postMessage({ memory, commands, thread: workers.length, binder });
      }
      const deadline = performance.now() + PATIENCE;
      while (Atomics.load(words, COMMAND.started) < workers.length && ended.reason === null) {
        if (performance.now() > deadline) end(new Error("no answer"));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } catch (error) {
      end(error);
    } finally {
      if (url) URL.revokeObjectURL(url);
    }
    if (ended.reason !== null) {
      for (const worker of workers) worker.terminate();
      throw new UnsupportedError(
        "wasm: the worker threads did not start; if the page has a Content-Security-Policy, its worker-src must contain blob:, else use threads: 1",
        { cause: ended.reason },
      );
    }
    // An idle pool does not keep Node alive.
    for (const worker of workers) worker.unref?.();
    return new ThreadPool(workers, commands, ended);
  }

  /** What a worker said that failed, or why one is not there any more; null while all is well. */
  problem(): string | null {
    const length = Atomics.load(this.#words, COMMAND.failed);
    if (length > 0) return String.fromCharCode(...this.#text.subarray(0, length));
    return this.#ended.reason === null ? null : `a worker thread ended, ${String(this.#ended.reason)}`;
  }

  /** Makes every worker instantiate a module whose bytes are in shared memory; `native` is where its machine code is. */
  load(program: number, address: number, length: number, native = 0n): void {
    const [low, high] = [Number(native & 0xffff_ffffn), Number(native >> 32n)];
    const words = { [COMMAND.program]: program, [COMMAND.address]: address, [COMMAND.length]: length };
    this.#command(OPS.load, { ...words, [COMMAND.native]: low, [COMMAND.native + 1]: high });
  }

  unload(program: number): void {
    this.#command(OPS.unload, { [COMMAND.program]: program });
  }

  /** Withdraws the last command and waits until no worker is at it: then what programs share may change. */
  rest(): void {
    if (Atomics.load(this.#words, COMMAND.ticket) & 1) Atomics.add(this.#words, COMMAND.ticket, 1);
    this.#await(COMMAND.inside, 0);
  }

  /** Lets the workers take part in a program that the caller runs. Those that are late may find nothing left to do. */
  run(program: number, { control, table, arena }: RunArguments): void {
    const words = { [COMMAND.program]: program, [COMMAND.control]: control, [COMMAND.table]: table, [COMMAND.arena]: arena };
    this.#send(OPS.run, words);
  }

  close(): void {
    this.#send(OPS.exit, {});
    this.#workers.length = 0;
  }

  /** Ends the workers whatever they do. */
  terminate(): void {
    for (const worker of this.#workers.splice(0)) worker.terminate();
  }

  #send(op: number, values: Readonly<Record<number, number>>): void {
    if (this.#workers.length === 0) return;
    this.rest();
    for (const [word, value] of Object.entries(values)) this.#words[Number(word)] = value;
    Atomics.store(this.#words, COMMAND.op, op);
    Atomics.store(this.#words, COMMAND.done, 0);
    Atomics.add(this.#words, COMMAND.ticket, 1);
    Atomics.notify(this.#words, COMMAND.ticket);
  }

  #command(op: number, values: Readonly<Record<number, number>>): void {
    this.#send(op, values);
    if (this.#workers.length === 0) return;
    this.#await(COMMAND.done, this.#workers.length);
    const problem = this.problem();
    if (problem !== null) throw new DeviceError(problem);
  }

  /** Waits until a word has a value. */
  #await(word: number, value: number): void {
    for (let spins = 0; spins < SPINS; spins++) if (Atomics.load(this.#words, word) === value) return;
    const deadline = performance.now() + PATIENCE;
    for (let now = Atomics.load(this.#words, word); now !== value; now = Atomics.load(this.#words, word)) {
      if (performance.now() > deadline) throw new DeviceError("the worker threads do not answer");
      Atomics.wait(this.#words, word, now, 100);
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
