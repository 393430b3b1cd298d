/** @file As many processes that train as there are jobs: of a plan, a queue, or a grid of experiments. */
import type { RunEvent, Settings } from "@gradalign/runs";
import { type Claim, type TrackerChoice, type Trouble, withoutSecrets } from "@gradalign/runs/node";
import { type WorkerProcess, workerProcess } from "../run/worker-process.ts";
import type { Cost } from "./costs.ts";
import type { GridTraining } from "./grid.ts";

/** What a process is asked. */
export interface TrainingRequest {
  readonly training: GridTraining;
  /** The attempt that it is; without one, its folder has a lock of its own. */
  readonly claim?: Claim;
  /** What the images of one's own must be that it trains on. */
  readonly fingerprint?: string;
  readonly threads: number;
  readonly backend?: Settings["backend"] | undefined;
  readonly cost?: Cost | undefined;
  /** Where its numbers are sent besides. */
  readonly track: readonly TrackerChoice[];
}

/** An event of a training, as its process tells it. */
export type TrainingEvent = RunEvent & { readonly run: string };

/** Processes that train. */
export interface TrainingPool {
  /**
   * Trains in a process that is free; there are as many as jobs.
   *
   * @returns whether the training came to its end (it may have been told to stop), or what went wrong.
   */
  train(request: TrainingRequest, onEvent: (event: TrainingEvent) => void): Promise<boolean | Trouble>;
  close(): void;
}

/** What {@link trainingPool} is made of. */
export interface PoolOptions {
  readonly jobs: number;
  /** Asks all of them to stop what they do. */
  readonly signal: AbortSignal;
}

/** Makes the processes; each starts with its first training, and keeps its data sets and compiled steps for those after. */
export function trainingPool({ jobs, signal }: PoolOptions): TrainingPool {
  type Process = WorkerProcess<TrainingRequest, boolean | Trouble>;
  const all: Process[] = Array.from({ length: jobs }, () => workerProcess("work-training", withoutSecrets(process.env)));
  const free = [...all];
  const stop = (): void => {
    for (const trainer of all) trainer.stop();
  };
  signal.addEventListener("abort", stop, { once: true });
  return {
    async train(request, onEvent) {
      const trainer = free.pop();
      if (signal.aborted || !trainer) return false;
      try {
        const answer = await trainer.ask(request, (event) => onEvent(event as TrainingEvent));
        if ("answer" in answer) return answer.answer;
        return signal.aborted ? false : { message: answer.died, fault: "run" };
      } finally {
        free.push(trainer);
      }
    },
    close() {
      signal.removeEventListener("abort", stop);
      for (const trainer of all) trainer.close();
    },
  };
}
