/**
 * @file Streamed images in Node: decoded by worker threads, which write into memory that they share with the caller. The caller may be busy
 * computing meanwhile: a read is asked for by one message to each worker, and which worker takes which image is settled among them.
 */
import { Worker } from "node:worker_threads";
import { DataError } from "@gradalign/tensor";
import { type Draw, type ImageDecoder, type ImageReader, type Labels, type StreamedSplit, sharedBytes } from "./source.ts";

/** What streams: labels, and a module that decodes. */
export interface StreamedOptions {
  readonly labels: Labels;
  /** [channels, height, width]. */
  readonly shape: readonly [number, number, number];
  /** Whether a draw moves pixels; false unless set. */
  readonly varies?: boolean;
  /** Address of a JavaScript module that exports `decoder(data)`, which makes an {@link ImageDecoder}; `builtModule` finds one's own. */
  readonly module: string;
  /** What it is given: plain data, copied to each thread; typed arrays in shared memory are not copied. */
  readonly data: unknown;
}

/** A streamed split of whatever the module decodes. */
export function streamedSplit({ labels, shape, varies = false, module, data }: StreamedOptions): StreamedSplit {
  const pixels = shape.reduce((product, extent) => product * extent, 1);
  return Object.freeze({
    ...{ labels, count: labels.length, shape, varies },
    open: (workers: number) => (workers > 0 ? openThreads(workers, { module, data, pixels }) : openHere({ module, data, pixels })),
  });
}

/** The address of the built form of a module of these packages, which workers can load whether or not the caller runs from source. */
export function builtModule(name: string, from: string): string {
  return new URL(name, from).href.replace(/\/(?:src|dist)\/(.*)\.ts$/, "/dist/$1.js");
}

interface Decoding {
  readonly module: string;
  readonly data: unknown;
  readonly pixels: number;
}

async function openHere({ module, data, pixels }: Decoding): Promise<ImageReader> {
  const { decoder } = (await import(/* @vite-ignore */ module)) as { decoder(data: unknown): ImageDecoder | Promise<ImageDecoder> };
  const made = await decoder(data);
  let queue = Promise.resolve();
  const perform = async (indices: Int32Array, draw: Draw | null, into: Uint8Array): Promise<void> => {
    for (const [i, index] of indices.entries()) {
      try {
        await made.decode(index, draw, into.subarray(i * pixels, (i + 1) * pixels));
      } catch (error) {
        const { code, message } = error as Partial<DataError>;
        throw failure(index, code === "DataError", message ?? String(error));
      }
    }
  };
  return {
    read(indices, draw, into) {
      const done = queue.then(() => perform(indices, draw, into));
      queue = done.catch(() => {});
      return done;
    },
    async close() {},
  };
}

/** What a worker is asked: the images of a batch, of which each worker takes the next that none has taken, counted in `next`. */
interface Job {
  readonly id: number;
  readonly indices: Int32Array;
  readonly draw: Draw | null;
  readonly into: Uint8Array;
  readonly next: Int32Array;
}

/** What it answers when no image is left to take. */
interface Answer {
  readonly id: number;
  readonly failed?: { readonly index: number; readonly isData: boolean; readonly message: string };
}

/** Plain JavaScript, so that it works from a string. */
const WORKER_SOURCE = `
const { parentPort, workerData } = require("node:worker_threads");
const { module, data, pixels } = workerData;
const made = import(module).then(({ decoder }) => decoder(data));
made.catch(() => {});
const perform = async ({ id, indices, draw, into, next }) => {
  let index = -1;
  try {
    const images = await made;
    for (let i; (i = Atomics.add(next, 0, 1)) < indices.length; ) {
      index = indices[i];
      await images.decode(index, draw, into.subarray(i * pixels, (i + 1) * pixels));
    }
    parentPort.postMessage({ id });
  } catch (error) {
    // Nobody waits for the others.
    Atomics.store(next, 0, indices.length);
    parentPort.postMessage({ id, failed: { index, isData: error?.code === "DataError", message: String(error?.message ?? error) } });
  }
};
let queue = Promise.resolve();
parentPort.on("message", (job) => { queue = queue.then(() => perform(job)); });
`;

interface Pending {
  left: number;
  failed: Answer["failed"];
  finish(error: Error | null): void;
}

async function openThreads(workers: number, decoding: Decoding): Promise<ImageReader> {
  const pending = new Map<number, Pending>();
  let ended: DataError | null = null;
  let next = 0;
  // Options of the program, such as `--input-type=module`, are not meant for the worker's script.
  const threads = Array.from({ length: workers }, () => new Worker(WORKER_SOURCE, { eval: true, execArgv: [], workerData: decoding }));
  /** Threads that wait for work do not keep Node alive. */
  const keepAlive = (wanted: boolean): void => {
    for (const thread of threads)
      if (wanted) thread.ref();
      else thread.unref();
  };
  const settle = (id: number, error: Error | null): void => {
    const job = pending.get(id);
    if (!job) return;
    pending.delete(id);
    if (pending.size === 0) keepAlive(false);
    job.finish(error);
  };
  const end = (reason: string): void => {
    ended ??= new DataError(`the threads that decode images ended: ${reason}`);
    for (const id of [...pending.keys()]) settle(id, ended);
  };
  keepAlive(false);
  for (const thread of threads) {
    thread.on("error", (error) => end(error.message));
    thread.on("exit", (code) => end(`exit code ${code}`));
    thread.on("message", ({ id, failed }: Answer) => {
      const job = pending.get(id);
      if (!job) return;
      job.failed ??= failed;
      if (--job.left === 0) settle(id, job.failed ? failure(job.failed.index, job.failed.isData, job.failed.message) : null);
    });
  }
  return {
    async read(indices, draw, into) {
      if (ended) throw ended;
      const shared = into.buffer instanceof SharedArrayBuffer ? into : sharedBytes(into.length);
      const id = next++;
      await new Promise<void>((resolve, reject) => {
        pending.set(id, { left: threads.length, failed: undefined, finish: (error) => (error ? reject(error) : resolve()) });
        keepAlive(true);
        const job: Job = { id, indices, draw, into: shared, next: new Int32Array(new SharedArrayBuffer(4)) };
        for (const thread of threads) thread.postMessage(job);
      });
      if (shared !== into) into.set(shared);
    },
    async close() {
      end("they were closed");
      await Promise.all(threads.map((thread) => thread.terminate()));
    },
  };
}

function failure(index: number, isData: boolean, message: string): DataError {
  return new DataError(isData ? message : index < 0 ? `images cannot be decoded: ${message}` : `image ${index} cannot be decoded: ${message}`);
}
