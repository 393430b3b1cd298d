/** @file What an experiment measures with: a device, data sets, and the folders of its finished trainings. */
import { setTimeout as delay } from "node:timers/promises";
import type { FinalAttack, FinishedTraining, Lab, SavedParameters, Training } from "@gradalign/experiments";
import { detectOverfitting, restoreModel, wilsonInterval } from "@gradalign/robustness";
import type { LoadedDataset } from "@gradalign/robustness/node";
import { modelOfSnapshot } from "@gradalign/runs";
import { alarmsOf, chanceOf, openRun, readRobustness } from "@gradalign/runs/node";
import { type Device, InvariantError } from "@gradalign/tensor";
import { type GridTraining, isFinished, isSameAttack, readFinished } from "./grid.ts";

/** What {@link createLab} is made of. */
export interface LabContext {
  readonly device: Device;
  readonly signal: AbortSignal;
  readonly dataset: (name: string) => Promise<LoadedDataset>;
  readonly locate: (training: Training) => GridTraining;
  readonly onProgress: (done: number, total: number) => void;
}

/** A lab over an output folder. */
export function createLab({ device, signal, dataset, locate, onProgress }: LabContext): Lab {
  return {
    device,
    signal,
    dataset: async (name) => (await dataset(name)).dataset,
    isFinished: (training) => isFinished(locate(training)),
    finished: (training) => finishedTraining(locate(training)),
    async progress(done, total) {
      onProgress(done, total);
      // Lets Ctrl-C in.
      await delay(0);
      signal.throwIfAborted();
    },
  };
}

/** What is said of a model whose numbers are not finite: no answer is right. */
function noAnswers(n: number): ReturnType<FinishedTraining["attacked"]> {
  return { n, cleanAccuracy: 0, robustAccuracy: 0, confidence95: wilsonInterval(0, n) };
}

function finishedTraining({ id, folder, label }: GridTraining): FinishedTraining {
  const run = openRun(folder);
  const { config, evaluations } = run;
  const { diverged = null } = readFinished(folder);
  return {
    id,
    config,
    evaluations,
    overfitting: config.method.name === "standard" ? null : detectOverfitting(evaluations, chanceOf(run)),
    alarms: config.guard === undefined || config.guard === "off" ? null : alarmsOf(run).map(({ epoch }) => epoch),
    diverged,
    attacked(wanted: FinalAttack) {
      if (diverged !== null && (wanted.which === "last" || !run.hasCheckpoint("best"))) return noAnswers(wanted.examples);
      const record = readRobustness(folder).find((r) => isSameAttack({ ...r, examples: r.n, which: r.which as "last" | "best" }, wanted));
      if (!record) throw new InvariantError(`reproduce: ${label} has no outcome of ${wanted.attack} on its ${wanted.which} model`);
      return record;
    },
    load(which): SavedParameters {
      const snapshot = run.loadCheckpoint(which);
      const model = modelOfSnapshot(snapshot);
      return { model, ...restoreModel(model, snapshot), iteration: snapshot.iteration };
    },
  };
}
