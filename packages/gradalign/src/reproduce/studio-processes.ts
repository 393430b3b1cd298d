/** @file How the studio's server computes runs: as workers do, in processes of their own. */
import { availableParallelism } from "node:os";
import type { Perform } from "@gradalign/runs/node";
import { performPlanned } from "./perform-planned.ts";
import { trainingPool } from "./training-pool.ts";

/** Processes that compute runs, and are let go with {@link StudioProcesses.close}. */
export interface StudioProcesses {
  readonly perform: Perform;
  close(): void;
}

/** Makes processes as they are needed, each with an equal share of the cores. */
export function studioProcesses(jobs: number): StudioProcesses {
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  const pool = trainingPool();
  return {
    perform: ({ runs, run }, signal, onEvent) => performPlanned(run, { place: { runs }, pool, threads, track: [], signal }, onEvent),
    close: () => pool.close(),
  };
}
