/** @file How the studio's server computes runs: as workers do, with a process for each run at a time. */
import { availableParallelism } from "node:os";
import type { Perform } from "@gradalign/runs/node";
import { performPlanned } from "./perform-planned.ts";
import { type TrainingPool, trainingPool } from "./training-pool.ts";

/** Processes that compute runs, and are let go with {@link StudioProcesses.close}. */
export interface StudioProcesses {
  readonly perform: Perform;
  close(): void;
}

/** A process that is kept for the next run: it has the images and compiled steps of the one before. */
interface Kept {
  readonly pool: TrainingPool;
  readonly stop: AbortController;
}

/** Makes processes as they are needed, each with an equal share of the cores. */
export function studioProcesses(jobs: number): StudioProcesses {
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  const free: Kept[] = [];
  const open = (): Kept => {
    const stop = new AbortController();
    return { stop, pool: trainingPool({ jobs: 1, signal: stop.signal }) };
  };
  return {
    async perform({ runs, run }, signal, onEvent) {
      if (signal.aborted) return { kind: "stopped" };
      const kept = free.pop() ?? open();
      const stop = (): void => kept.stop.abort();
      signal.addEventListener("abort", stop, { once: true });
      try {
        return await performPlanned(run, { place: { runs }, pool: kept.pool, threads, track: [], signal: kept.stop.signal }, onEvent);
      } finally {
        signal.removeEventListener("abort", stop);
        // A process that was stopped is of no more use.
        if (kept.stop.signal.aborted) kept.pool.close();
        else free.push(kept);
      }
    },
    close() {
      for (const { pool } of free.splice(0)) pool.close();
    },
  };
}
