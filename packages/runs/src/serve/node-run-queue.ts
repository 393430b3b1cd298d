/** @file The studio's own queue: so many runs at a time, the others wait. What it computed is in the runs' folders, what was planned in plans. */
import type { WorkOutcome } from "../engines/node-attempt-run.ts";
import type { QueueEntry } from "./protocol.ts";

/** A run to be computed. */
export interface QueuedRun {
  readonly key: string;
  readonly label: string;
  /** Computes it in a process of its own; stops with a checkpoint when the signal is aborted. */
  work(signal: AbortSignal): Promise<WorkOutcome>;
}

/** The queue. */
export interface StudioQueue {
  readonly entries: readonly QueueEntry[];
  /** What went wrong with the latest of those that are not in it any more. */
  readonly problems: readonly string[];
  /** Adds runs that are not in it. */
  add(runs: readonly QueuedRun[]): void;
  /** Takes a run out, or stops it; whether it was there. */
  stop(key: string): boolean;
  /** Stops everything, and resolves when all have written their checkpoints. */
  close(): Promise<void>;
}

interface Entry extends QueuedRun {
  state: QueueEntry["state"];
  readonly stop: AbortController;
}

/** More are not told at once. */
const MOST_PROBLEMS = 5;

/** A queue of so many runs at a time; `onChange` is called when its entries are others. */
export function studioQueue(jobs: number, onChange: () => void): StudioQueue {
  const entries: Entry[] = [];
  const working = new Set<Promise<void>>();
  const problems = new Map<string, string>();
  let isClosed = false;
  const work = async (entry: Entry): Promise<void> => {
    entry.state = "running";
    // One that failed at a step, and may not at the next attempt, is tried again as workers do.
    for (;;) {
      problems.delete(entry.key);
      const outcome = await entry.work(entry.stop.signal).catch((error: unknown): WorkOutcome => ({ kind: "failed", message: String(error), final: true }));
      if ("message" in outcome) problems.set(entry.key, `${entry.label}: ${outcome.message}`);
      if (outcome.kind !== "failed" || outcome.final || entry.stop.signal.aborted) break;
    }
    entries.splice(entries.indexOf(entry), 1);
    next();
  };
  const next = (): void => {
    for (const entry of entries) {
      if (isClosed || entries.filter(({ state }) => state !== "waiting").length >= jobs) break;
      if (entry.state !== "waiting") continue;
      const done = work(entry).finally(() => working.delete(done));
      working.add(done);
    }
    onChange();
  };
  const stopOne = (entry: Entry): void => {
    if (entry.state === "waiting") entries.splice(entries.indexOf(entry), 1);
    else entry.state = "stopping";
    entry.stop.abort();
  };
  return {
    get entries() {
      return entries.map(({ key, label, state }) => ({ key, label, state }));
    },
    get problems() {
      return [...problems.values()].slice(-MOST_PROBLEMS);
    },
    add(runs) {
      for (const run of runs) {
        if (!isClosed && !entries.some(({ key }) => key === run.key)) entries.push({ ...run, state: "waiting", stop: new AbortController() });
      }
      next();
    },
    stop(key) {
      const entry = entries.find((one) => one.key === key);
      if (!entry) return false;
      stopOne(entry);
      onChange();
      return true;
    },
    async close() {
      isClosed = true;
      for (const entry of [...entries]) stopOne(entry);
      await Promise.all(working);
    },
  };
}
