/** @file Long work in a process that must answer others meanwhile: a little at a time, one at a time. */
import { setImmediate } from "node:timers/promises";

/** Milliseconds of work after which others have their turn. */
const TURN_MS = 10;

/** Gives a function to call between small pieces of work: it lets others have their turn when ours was long enough. */
export function turns(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < TURN_MS) return;
    await setImmediate();
    since = performance.now();
  };
}

/** Work that is done once at a time: whoever asks for it while it is done is given the next time. `work` must not fail. */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  return () => {
    next ??= last.then(() => {
      next = null;
      last = work();
      return last;
    });
    return next;
  };
}
