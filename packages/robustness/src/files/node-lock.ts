/**
 * @file One process at a time: lock files that outlive no crash.
 *
 * A lock names its holder's process, with the process's start, because numbers are given out again, and its machine and container. A lock of
 * a process that is gone is taken over at once. Holders elsewhere cannot be asked: they write to their lock every two seconds, and one that
 * has not been written to for twenty is taken over too. Ages are differences between times that the file system itself gave out, so clocks
 * that disagree, and dates in the future, mean nothing.
 */
import { randomUUID } from "node:crypto";
import { closeSync, linkSync, openSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { GradalignError } from "@gradalign/tensor";
import { temporaryName } from "./node-atomic-file.ts";
import { onFile } from "./node-file-error.ts";
import { isRunning, processSpace, startOf } from "./node-process.ts";
import { readIfThere } from "./node-read.ts";

const TOUCH_MS = 2000;
const STALE_MS = 20_000;
const POLL_MS = 250;

/** What a lock protects is another process's for now. */
export class BusyError extends GradalignError {
  constructor(message: string) {
    super("BusyError", message);
  }
}

/** A lock that is held. */
export interface Lock {
  /**
   * Makes sure that the lock is still ours; a machine that slept for long may have been taken for dead.
   *
   * @throws BusyError when another process has taken it over.
   */
  assertHeld(): void;
}

/** How {@link withLock} behaves. */
export interface LockOptions {
  /** What is locked, for messages. */
  readonly what: string;
  /** Called once, when another process holds the lock and is waited for; refuse instead of waiting by leaving it out. */
  readonly onWait?: ((holder: string) => void) | undefined;
  /** Called when the lock of a process that is gone is taken over. */
  readonly onTakeOver?: ((holder: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Who holds a lock, as written in it. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly space: string;
  readonly start: number | null;
  readonly since: string;
  readonly id: string;
}

/**
 * Runs `work` while holding the lock file, whose folder must exist.
 *
 * @throws BusyError when another process holds it and is not to be waited for; FileError when there can be no lock.
 */
export async function withLock<T>(file: string, options: LockOptions, work: (lock: Lock) => Promise<T>): Promise<T> {
  const { what, onWait, signal } = options;
  const holder: Holder = {
    ...{ host: hostname(), pid: process.pid, space: processSpace(), start: startOf(process.pid) },
    ...{ since: new Date().toISOString(), id: randomUUID() },
  };
  const token = JSON.stringify(holder);
  let waiting = false;
  for (;;) {
    const other = onFile("make the lock", file, () => tryLock(file, token, options));
    if (other === undefined) break;
    if (!onWait) throw new BusyError(`${what} is in use by another process (${other}); wait until it is done, or stop it first`);
    if (!waiting) onWait(other);
    waiting = true;
    await delay(POLL_MS, undefined, signal ? { signal } : {});
  }
  const isOurs = (): boolean => readIfThere(file)?.toString() === token;
  // Writes through the descriptor reach our own lock, even where another has its name by now.
  const descriptor = openSync(file, "r+");
  const touch = setInterval(() => {
    try {
      writeSync(descriptor, token, 0);
    } catch {
      // A disk that is full or gone is noticed where something is written that matters.
    }
  }, TOUCH_MS);
  touch.unref();
  try {
    return await work({
      assertHeld() {
        if (!isOurs()) throw new BusyError(`${what} was taken over by another process while this one slept; nothing more is written there`);
      },
    });
  } finally {
    clearInterval(touch);
    closeSync(descriptor);
    if (isOurs()) rmSync(file, { force: true });
  }
}

/** Whether a process that lives holds the lock, as far as can be told from here: of one elsewhere, by when it wrote to it last. */
export function isLocked(file: string): boolean {
  const found = readIfThere(file);
  return found !== undefined && !isAbandoned(file, parseHolder(found.toString()), Date.now());
}

/** Takes the lock, or says who has it. */
function tryLock(file: string, token: string, { onTakeOver }: LockOptions): string | undefined {
  // Linked into place when it is complete: no other process ever sees half a lock.
  const own = temporaryName(file);
  try {
    writeFileSync(own, token, { flag: "wx" });
    for (;;) {
      if (linked(own, file)) return undefined;
      const found = readIfThere(file);
      // Released meanwhile.
      if (found === undefined) continue;
      const text = found.toString();
      const holder = parseHolder(text);
      const name = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.since}` : "an unreadable lock";
      if (!isAbandoned(file, holder, statSync(own).mtimeMs)) return name;
      if (remove(file, text)) onTakeOver?.(name);
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function linked(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS" && code !== "EOPNOTSUPP") throw error;
  }
  // A file system without links: the name is made first, then filled.
  try {
    writeFileSync(file, readIfThere(own) ?? "", { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** @param now the present by the clock of the file system. */
function isAbandoned(file: string, holder: Holder | undefined, now: number): boolean {
  if (holder && holder.space === processSpace() && (holder.start !== null || !isRunning(holder.pid))) {
    return !isRunning(holder.pid) || startOf(holder.pid) !== holder.start;
  }
  const touched = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return touched !== undefined && Math.abs(now - touched) > STALE_MS;
}

/** Removes an abandoned lock, unless another process was faster and has put its own there. */
function remove(file: string, text: string): boolean {
  const aside = temporaryName(file);
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  const right = readIfThere(aside)?.toString() === text;
  if (!right) linked(aside, file);
  rmSync(aside, { force: true });
  return right;
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    const complete = typeof value?.pid === "number" && typeof value.host === "string" && typeof value.space === "string" && value.start !== undefined;
    return complete ? (value as Holder) : undefined;
  } catch {
    return undefined;
  }
}
