/** @file A run that is asked to stop by whoever may write to its folder: by a file there, which the process that computes the run looks for. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "@gradalign/robustness/node";

const REQUEST = "stop.request";
/** Milliseconds between two looks. */
const LOOK_MS = 500;

/**
 * Asks the process that computes a run to write a checkpoint and stop.
 *
 * @throws FileError when the folder cannot be written to.
 */
export function askToStop(folder: string): void {
  writeFileAtomic(join(folder, REQUEST), "");
}

/** Whether that was asked, and has not been done. */
export function isAskedToStop(folder: string): boolean {
  return existsSync(join(folder, REQUEST));
}

/**
 * Works on a run with a signal that is also aborted when the run is asked to stop. What was asked before is forgotten.
 *
 * @param onAsked called once, when it is asked.
 */
export async function untilAskedToStop<T>(folder: string, signal: AbortSignal, onAsked: () => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const forget = (): void => rmSync(join(folder, REQUEST), { force: true });
  const asked = new AbortController();
  forget();
  const look = setInterval(() => {
    if (!isAskedToStop(folder)) return;
    clearInterval(look);
    onAsked();
    asked.abort(new Error("the run was asked to stop"));
  }, LOOK_MS);
  look.unref();
  try {
    return await work(AbortSignal.any([signal, asked.signal]));
  } finally {
    clearInterval(look);
    forget();
  }
}
