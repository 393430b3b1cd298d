/**
 * @file Lets one process at a time fill a cache folder.
 *
 * The lock file names its holder's host and process, so that one left by a killed process is cleared at once. The holder also
 * touches it every two seconds, which tells the same about processes of other machines that share the folder.
 */
import { randomUUID } from "node:crypto";
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

const TOUCH_MS = 2000;
const STALE_MS = 20_000;
const POLL_MS = 250;

/**
 * Runs `work` while holding the lock file; waits for another holder first.
 *
 * @param onWait called once if there is another holder.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, signal?: AbortSignal, onWait?: () => void): Promise<T> {
  const token = JSON.stringify({ host: hostname(), pid: process.pid, id: randomUUID() });
  let waiting = false;
  while (!(await acquire(file, token))) {
    if (!waiting) onWait?.();
    waiting = true;
    await delay(POLL_MS, undefined, signal ? { signal } : {});
  }
  const touch = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => {});
  }, TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    // A holder that slept for long may have been taken for dead; the lock is then another's.
    if ((await readFile(file, "utf8").catch(() => "")) === token) await rm(file, { force: true });
  }
}

async function acquire(file: string, token: string): Promise<boolean> {
  try {
    await writeFile(file, token, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  if (!(await isAbandoned(file))) return false;
  await rm(file, { force: true });
  return acquire(file, token);
}

async function isAbandoned(file: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(file);
    if (Date.now() - mtimeMs > STALE_MS) return true;
    const { host, pid } = JSON.parse(await readFile(file, "utf8")) as { host: string; pid: number };
    return host === hostname() && !isRunning(pid);
  } catch {
    // Released meanwhile, or not yet fully written.
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
