/** @file Throttled step events: mean loss, speed, and time to go. */
import type { TrainEvent } from "./events.ts";
import type { Timetable } from "./phases.ts";
import type { HostSums } from "./session.ts";

/** Milliseconds between step events. */
const REPORT_EVERY = 300;
/** Iterations after which the sums are looked at even if no event is due, so that fast steps do not run on for long with a broken loss. */
const LOOK_EVERY = 50;

/** Reports on a run's iterations. */
export interface ProgressReporter {
  /** To be called after each iteration; emits an event when one is due. */
  report(iteration: number): Promise<void>;
  /** Runs something whose time does not count as training time, and after which the session's sums may start anew. */
  excluding(work: () => Promise<void>): Promise<void>;
}

/**
 * Makes a reporter for a run that has already done `first` iterations.
 *
 * @param readSums the session's sums; its errors end the run.
 */
export async function progressReporter(
  batchSize: number,
  { iterations, epochsAfter }: Timetable,
  first: number,
  readSums: () => Promise<HostSums>,
  emit: (event: TrainEvent) => void,
): Promise<ProgressReporter> {
  const started = performance.now();
  // A resumed run's sums began before it.
  const before = await readSums();
  let since = { time: started, iteration: first, loss: before.loss, summed: before.iterations };
  let excluded = 0;
  return {
    async report(iteration) {
      const now = performance.now();
      const isDue = now - since.time - excluded >= REPORT_EVERY;
      if (!isDue && iteration % LOOK_EVERY !== 0) return;
      const { loss, iterations: summed } = await readSums();
      if (!isDue) return;
      const rate = (iteration - first) / (now - started);
      emit({
        type: "step",
        iteration,
        epoch: epochsAfter(iteration),
        loss: (loss - since.loss) / (summed - since.summed),
        imagesPerSecond: ((iteration - since.iteration) * batchSize * 1000) / (now - since.time - excluded),
        etaSeconds: (iterations - iteration) / rate / 1000,
      });
      since = { time: now, iteration, loss, summed };
      excluded = 0;
    },
    async excluding(work) {
      const before = performance.now();
      await work();
      excluded += performance.now() - before;
      const { loss, iterations: summed } = await readSums();
      since = { ...since, loss, summed };
    },
  };
}
