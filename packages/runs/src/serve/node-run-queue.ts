/** @file The studio's own queue: so many runs at a time, the others wait. What it computed is in the runs' folder; what waits is in plans. */
import { appendFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "@gradalign/robustness/node";
import type { WorkOutcome } from "../engines/node-attempt-run.ts";
import type { RunEvent } from "../run/events.ts";
import { logFile, type Planned } from "./node-run-index.ts";
import type { LogLine, QueueEntry } from "./protocol.ts";

/** Computes a run in a process of its own, as workers do; stops with a checkpoint when the signal is aborted. */
export type Perform = (planned: Planned, signal: AbortSignal, onEvent: (event: RunEvent) => void) => Promise<WorkOutcome>;

/** The queue. */
export interface StudioQueue {
  readonly entries: readonly QueueEntry[];
  /** Adds runs that are not in it. */
  add(runs: readonly (Planned & { readonly key: string })[]): void;
  /** Takes a run out, or stops it; whether it was there. */
  stop(key: string): boolean;
  /** Stops everything, and resolves when all have written their checkpoints. */
  close(): Promise<void>;
}

interface Entry extends Planned {
  readonly key: string;
  state: QueueEntry["state"];
  readonly stop: AbortController;
}

/** Events that a log does without: they are in the run's own files, or come by the second. */
const NOT_LOGGED: readonly string[] = ["step", "evaluation", "attacking"];

/** A queue of so many runs at a time; `onChange` is called when its entries or a run's files are others. */
export function studioQueue(jobs: number, perform: Perform, onChange: () => void): StudioQueue {
  const entries: Entry[] = [];
  const working = new Set<Promise<void>>();
  let isClosed = false;
  const work = async (entry: Entry): Promise<void> => {
    const { runs, run, stop } = entry;
    entry.state = "running";
    log(runs, run.id, { type: "started" });
    // One that failed at a step, and may not at the next attempt, is tried again as workers do.
    for (;;) {
      const outcome = await perform(entry, stop.signal, (event) => {
        if (!NOT_LOGGED.includes(event.type)) log(runs, run.id, event);
      }).catch((error: unknown): WorkOutcome => ({ kind: "failed", message: String(error), final: true }));
      log(runs, run.id, { type: "ended", ...outcome });
      if (outcome.kind !== "failed" || outcome.final || stop.signal.aborted) break;
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
      return entries.map(({ key, run, state }) => ({ key, label: run.label, state }));
    },
    add(runs) {
      for (const { key, ...planned } of runs) {
        if (!isClosed && !entries.some((entry) => entry.key === key)) entries.push({ ...planned, key, state: "waiting", stop: new AbortController() });
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

/** Adds a line to a run's log; one that cannot be written is not worth a run. */
function log(runs: string, id: string, event: { readonly type: string }): void {
  const line: LogLine = { date: new Date().toISOString(), ...event };
  try {
    const file = logFile(runs, id);
    makeFolder(dirname(file));
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  } catch {
    // Full or gone: the run itself will say so.
  }
}
