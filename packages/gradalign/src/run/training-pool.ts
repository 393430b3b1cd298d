/** @file As many processes that compute runs as a worker has jobs. */
import { hostname } from "node:os";
import { failed, holderOf, type WorkOutcome } from "@gradalign/runs/node";
import { type TrainingProcess, trainingProcess } from "./training-process.ts";

/** What a process is asked. */
export interface TrainingRequest {
  /** The folder of all runs. */
  readonly runs: string;
  /** A run of a plan, as it came from outside: the process checks it. */
  readonly run: unknown;
  readonly threads: number;
}

/** Processes that compute runs. */
export interface TrainingPool {
  /** Computes a run in a process that is free; there are as many as jobs. */
  perform(run: unknown, onEvent: (event: { readonly type: string }) => void): Promise<WorkOutcome>;
  close(): void;
}

/** What {@link trainingPool} is made of. */
export interface PoolOptions {
  readonly runs: string;
  readonly jobs: number;
  readonly threads: number;
  readonly environment: NodeJS.ProcessEnv;
  /** Asks all of them to stop what they do. */
  readonly signal: AbortSignal;
}

/** Makes the processes; each starts with its first run. */
export function trainingPool({ runs, jobs, threads, environment, signal }: PoolOptions): TrainingPool {
  type Process = TrainingProcess<TrainingRequest, WorkOutcome>;
  const all: Process[] = Array.from({ length: jobs }, () => trainingProcess(["work-training"], environment));
  const free = [...all];
  const stop = (): void => {
    for (const process of all) process.stop();
  };
  signal.addEventListener("abort", stop, { once: true });
  return {
    async perform(run, onEvent) {
      const process = free.pop();
      if (signal.aborted || !process) return { kind: "stopped" };
      try {
        const answer = await process.ask({ runs, run, threads }, onEvent);
        if ("answer" in answer) return answer.answer;
        return signal.aborted ? { kind: "stopped" } : died(runs, run, answer);
      } finally {
        free.push(process);
      }
    },
    close() {
      signal.removeEventListener("abort", stop);
      for (const process of all) process.close();
    },
  };
}

/** A process that ended without an answer could not note that its attempt failed. */
function died(runs: string, run: unknown, { died: message, pid }: { readonly died: string; readonly pid: number }): WorkOutcome {
  const id = typeof run === "object" && run !== null && "id" in run ? String(run.id) : "";
  try {
    const holder = holderOf(runs, id);
    if (holder?.pid === pid && holder.host === hostname()) return failed({ runs, id, number: holder.number }, message, false);
  } catch (error) {
    return { kind: "later", message: `${message}; ${error instanceof Error ? error.message : error}` };
  }
  return { kind: "later", message };
}
