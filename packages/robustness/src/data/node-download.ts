/**
 * @file Downloads one large file whose checksum is known, resuming after broken connections and killed processes.
 *
 * Received bytes go to `<file>.part`; `<file>.part.json` remembers whose bytes they are. The file gets its own name only once
 * its checksum is right, so a file with that name is always whole.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { DataError } from "@gradalign/tensor";
import type { FileChecksum } from "./definition.ts";
import { BusyError, type HttpAnswer, type HttpRoute, httpGet, isRefusedResumption } from "./node-http.ts";

/** One file to download. */
export interface DownloadOptions {
  readonly url: string;
  /** Path of the finished file; its folder must exist. */
  readonly file: string;
  /** The file's exact length in bytes. */
  readonly bytes: number;
  readonly checksum: FileChecksum;
  readonly headers: Readonly<Record<string, string>>;
  readonly route: HttpRoute;
  readonly connectTimeoutMs: number;
  /** Milliseconds without a byte after which a connection counts as broken. */
  readonly idleTimeoutMs: number;
  /** Milliseconds before the first retry; doubles with each fruitless attempt. */
  readonly retryDelayMs: number;
  /** Called at most every 200 ms, and at the start and end. */
  readonly onProgress?: ((receivedBytes: number, etaSeconds: number | undefined) => void) | undefined;
  /** Called before a broken connection is taken up again. */
  readonly onRetry?: ((reason: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Attempts in a row that bring nothing new before a download is given up. */
const MAX_FRUITLESS = 4;
const PROGRESS_INTERVAL_MS = 200;

/** The server did not send what was left: worth another try from the beginning. */
class BrokenError extends Error {}

/** How far a download has come, and how patient it still is. */
interface Attempts {
  /** Whether the server has answered at all. */
  answered: boolean;
  /** Bytes that are there, read or still to be written. */
  position: number;
  /** The largest position before an attempt broke off. */
  best: number;
  /** Attempts since then. */
  fruitless: number;
}

/**
 * Makes `file` be there with the right checksum; what an earlier attempt left is used.
 *
 * @throws UnreachableError when the first attempt gets no answer; DataError when the server sends something else; the
 *   signal's reason when aborted (the bytes so far are kept for the next attempt).
 */
export async function downloadFile(options: DownloadOptions): Promise<void> {
  const { file, bytes, signal } = options;
  const part = `${file}.part`;
  const attempts: Attempts = { answered: false, position: 0, best: 0, fruitless: 0 };
  let restarted = false;
  for (;;) {
    signal?.throwIfAborted();
    const resumedFrom = await keptBytes(options);
    try {
      if (resumedFrom < bytes) await receiveRest(options, resumedFrom, attempts);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof BrokenError) await anotherAttempt(options, attempts, error);
      // Another connection has broken and been counted before; this one begins anew, with what is there if the server can go on.
      else if (!isRefusedResumption(error)) throw error;
      continue;
    }
    const found = await digestOf(part, options.checksum);
    if (found === options.checksum.digest) break;
    await discardPart(file);
    // Bytes of two attempts may come from two versions of the file; only a download in one piece proves the source wrong.
    if (resumedFrom === 0 || restarted) throw new DataError(wrongChecksum(`download of ${options.url}`, options.checksum, found));
    restarted = true;
  }
  const handle = await open(part, "r+");
  await handle.sync();
  await handle.close();
  await rename(part, file);
  await rm(`${part}.json`, { force: true });
}

/** Why a file is not the one wanted, or undefined if it is. */
export async function fileProblem(file: string, bytes: number, checksum: FileChecksum): Promise<string | undefined> {
  if (!(await fileExists(file))) return `${file} does not exist`;
  const size = await sizeOf(file);
  const found = await digestOf(file, checksum);
  if (size === bytes && found === checksum.digest) return undefined;
  const { algorithm, digest } = checksum;
  return `${file} is damaged: expected ${bytes} bytes with ${algorithm} ${digest}, found ${size} bytes with ${algorithm} ${found}`;
}

/** Whether there is a file of that name. */
export async function fileExists(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

function wrongChecksum(what: string, checksum: FileChecksum, found: string): string {
  return `${what} has the wrong ${checksum.algorithm}: expected ${checksum.digest}, found ${found}`;
}

/** Length of a partial file that can be resumed; one that cannot is removed. */
async function keptBytes(options: DownloadOptions): Promise<number> {
  const size = await sizeOf(`${options.file}.part`);
  if (size === 0) return 0;
  if ((await readInfo(options.file))?.url === options.url && size <= options.bytes) return size;
  await discardPart(options.file);
  return 0;
}

/**
 * Waits before another attempt, longer after each that brought nothing.
 *
 * @throws `error` when another source is the better bet, DataError when patience is at its end.
 */
async function anotherAttempt({ url, bytes, retryDelayMs, onRetry, signal }: DownloadOptions, attempts: Attempts, error: Error): Promise<void> {
  if (!attempts.answered) throw error;
  attempts.fruitless = attempts.position > attempts.best ? 1 : attempts.fruitless + 1;
  attempts.best = Math.max(attempts.best, attempts.position);
  const { fruitless, position } = attempts;
  if (fruitless > MAX_FRUITLESS) {
    throw new DataError(`download of ${url} broke off at ${position} of ${bytes} bytes ${fruitless} times (${error.message}); run again to resume it`, {
      cause: error,
    });
  }
  onRetry?.(error.message);
  await delay(retryDelayMs * 2 ** (fruitless - 1), undefined, signal ? { signal } : {});
}

async function receiveRest(options: DownloadOptions, resumedFrom: number, attempts: Attempts): Promise<void> {
  const { url, file, bytes, signal } = options;
  const info = resumedFrom > 0 ? await readInfo(file) : undefined;
  const headers: Record<string, string> = { "accept-encoding": "identity", "user-agent": "gradalign", ...options.headers };
  if (resumedFrom > 0) headers.range = `bytes=${resumedFrom}-`;
  if (info?.validator) headers["if-range"] = info.validator;
  let [start, arrived] = [resumedFrom, 0];
  const answer = await httpGet(url, {
    ...options,
    headers,
    onBytes: (count) => {
      arrived += count;
      if (arrived > bytes) throw tooLong(options);
    },
    retry: async (reason) => {
      if (isRefusedResumption(reason) || reason instanceof DataError) throw reason;
      if (reason instanceof BusyError) attempts.answered = true;
      // The answer may have begun in this very moment.
      await nextTurn();
      attempts.position = start + arrived;
      await anotherAttempt(options, attempts, reason);
    },
  });
  attempts.answered = true;
  try {
    start = await startOf(answer, options, resumedFrom);
    await writeFile(`${file}.part.json`, JSON.stringify({ url, validator: validatorOf(answer) }));
    await receiveBody(answer, options, start);
  } finally {
    attempts.position = await sizeOf(`${file}.part`);
    await answer.close();
  }
  signal?.throwIfAborted();
  if (attempts.position < bytes) throw new BrokenError(`connection closed after ${attempts.position} of ${bytes} bytes`);
}

/** The offset a response's body starts at; refuses answers that are not (the rest of) the wanted file. */
async function startOf({ status, header }: HttpAnswer, options: DownloadOptions, resumedFrom: number): Promise<number> {
  const { url, file, bytes } = options;
  if (status === 200) {
    const announced = header("content-length");
    if (announced !== undefined && Number(announced) !== bytes) {
      throw new DataError(`${url} is ${announced} bytes long, expected ${bytes}; a login page or proxy may have answered instead`);
    }
    return 0;
  }
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header("content-range") ?? "");
    if (range && Number(range[1]) === resumedFrom && (range[2] === "*" || Number(range[2]) === bytes)) return resumedFrom;
  }
  if (status === 206 || status === 416) {
    await discardPart(file);
    throw new BrokenError(`the server cannot continue at byte ${resumedFrom}`);
  }
  throw new DataError(`${url} answered with status ${status}; the file may have moved, or need a login`);
}

async function receiveBody(answer: HttpAnswer, options: DownloadOptions, start: number): Promise<void> {
  const { file, bytes, onProgress } = options;
  const began = performance.now();
  let received = start;
  let reported = Number.NEGATIVE_INFINITY;
  const report = () => {
    reported = performance.now();
    const seconds = (reported - began) / 1000;
    const eta = received > start ? ((bytes - received) * seconds) / (received - start) : undefined;
    onProgress?.(received, eta);
  };
  const handle = await open(`${file}.part`, start === 0 ? "w" : "r+");
  try {
    report();
    for await (const chunk of answer.body) {
      if (received + chunk.length > bytes) throw tooLong(options);
      await writeAt(handle, chunk, received, file);
      received += chunk.length;
      if (performance.now() - reported >= PROGRESS_INTERVAL_MS) report();
    }
    report();
  } finally {
    await handle.close();
  }
}

function tooLong({ url, bytes }: DownloadOptions): DataError {
  return new DataError(`${url} sends more than the expected ${bytes} bytes; another file may have taken its place`);
}

async function writeAt(handle: FileHandle, chunk: Uint8Array, position: number, file: string): Promise<void> {
  try {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done);
      done += bytesWritten;
    }
  } catch (error) {
    throw new DataError(`cannot write ${file}.part: ${(error as Error).message}; free some space or choose another data folder`, { cause: error });
  }
}

/** What makes a server notice that its file has changed; weak ETags do not promise equal bytes. */
function validatorOf({ header }: HttpAnswer): string | undefined {
  const etag = header("etag");
  return etag && !etag.startsWith("W/") ? etag : header("last-modified");
}

async function readInfo(file: string): Promise<{ url: string; validator?: string } | undefined> {
  try {
    return JSON.parse(await readFile(`${file}.part.json`, "utf8"));
  } catch {
    return undefined;
  }
}

async function discardPart(file: string): Promise<void> {
  await rm(`${file}.part`, { force: true });
  await rm(`${file}.part.json`, { force: true });
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}

async function digestOf(file: string, checksum: FileChecksum): Promise<string> {
  const hash = createHash(checksum.algorithm);
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest(checksum.encoding);
}
