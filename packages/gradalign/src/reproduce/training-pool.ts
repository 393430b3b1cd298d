/** @file Processes that train: runs of a plan, a queue, or a grid of experiments, as many side by side as are asked for. */
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
   * Trains in a process that is free, or in a new one; the signal asks it to stop.
   *
   * @returns whether the training came to its end (it may have been told to stop), or what went wrong.
   */
  train(request: TrainingRequest, signal: AbortSignal, onEvent: (event: TrainingEvent) => void): Promise<boolean | Trouble>;
  close(): void;
}

/** Makes the processes as they are needed; each keeps its data sets and compiled steps for the trainings after. */
export function trainingPool(): TrainingPool {
  type Process = WorkerProcess<TrainingRequest, boolean | Trouble>;
  const all = new Set<Process>();
  const free: Process[] = [];
  const open = (): Process => {
    const made: Process = workerProcess("work-training", withoutSecrets(process.env));
    all.add(made);
    return made;
  };
  return {
    async train(request, signal, onEvent) {
      if (signal.aborted) return false;
      const trainer = free.pop() ?? open();
      const stop = (): void => trainer.stop();
      signal.addEventListener("abort", stop, { once: true });
      try {
        const answer = await trainer.ask(request, (event) => onEvent(event as TrainingEvent));
        if ("answer" in answer) return answer.answer;
        return signal.aborted ? false : { message: answer.died, fault: "run" };
      } finally {
        signal.removeEventListener("abort", stop);
        if (signal.aborted) {
          // A process that was told to stop is of no more use.
          trainer.close();
          all.delete(trainer);
        } else free.push(trainer);
      }
    },
    close() {
      for (const trainer of all) trainer.close();
    },
  };
}
