/** @file A run folder as a report shows it. */

import { basename, resolve } from "node:path";
import { CheckpointError, datasets, isDatasetName, runOutcome, type Snapshot, selectionAccuracy, timetableOf, trainingSize } from "@gradalign/robustness";
import type { FilterSnapshot, ReportRun } from "../run/run-data.ts";
import { readRobustness, readSession } from "./node-notes.ts";
import { openRun, type Run } from "./node-run.ts";

/** Where `cnn` keeps its convolution. */
const FILTERS = "params/_model.0.weight";

/**
 * Reads what a run left so far, finished or not.
 *
 * @param label name of the run; its folder's unless set.
 * @throws ConfigError when the folder is no run.
 */
export function readReportRun(folder: string, label: string = basename(resolve(folder))): ReportRun {
  const run = openRun(folder);
  const session = readSession(folder);
  const { config } = run;
  const alarms = alarmsOf(run);
  const evaluations = run.sealedEvaluations();
  // Standard training never was robust: nothing can collapse.
  const outcome = runOutcome(evaluations, chanceOf(run), config.method.name !== "standard", session?.majority);
  let best: ReportRun["best"] = null;
  for (const evaluation of evaluations) {
    const pgdAccuracy = selectionAccuracy(evaluation);
    const on = evaluation.validation_pgd_acc === undefined ? "train" : "validation";
    if (best === null || pgdAccuracy > best.pgdAccuracy) best = { iteration: evaluation.iteration, pgdAccuracy, on };
  }
  return {
    label,
    config,
    evaluations,
    ...(run.seal ? { testImages: run.seal.data.test } : {}),
    overfitting: outcome?.overfitting ?? null,
    ...(alarms.length > 0 ? { alarms } : {}),
    outcome,
    best,
    robustness: readRobustness(folder),
    filters: config.model.name === "cnn" ? (["best", "last"] as const).flatMap((which) => readFilters(run, which) ?? []) : [],
    machine: session?.machine ?? null,
  };
}

/** The guard's alarms with their epochs, and what was changed after each. */
export function alarmsOf({ alarms, config, seal }: Run): NonNullable<ReportRun["alarms"]> {
  const { epochsAfter } = timetableOf(config, [trainingSize(config, seal?.data.train ?? 0)]);
  const change = (restored: number | null) => (restored === null ? null : (config.guardChange ?? "smaller-step"));
  return alarms.map((alarm) => ({ ...alarm, epoch: epochsAfter(alarm.iteration), change: change(alarm.restored) }));
}

/** Accuracy of guessing among a run's classes; before its first checkpoint, a folder's are taken to be as many as CIFAR-10's. */
export function chanceOf({ seal, config: { dataset } }: Pick<Run, "seal" | "config">): number {
  return 1 / (seal?.data.classNames ?? datasets[isDatasetName(dataset) ? dataset : "cifar10"].classNames).length;
}

function readFilters(run: Run, which: "best" | "last"): FilterSnapshot | undefined {
  const snapshot = loadIfThere(run, which);
  const stored = snapshot?.tensors.get(FILTERS);
  if (!snapshot || !stored || stored.shape.length !== 4 || !(stored.data instanceof Float32Array)) return undefined;
  return { which, iteration: snapshot.iteration, shape: stored.shape as unknown as FilterSnapshot["shape"], weights: stored.data };
}

/** A checkpoint, or undefined when there is none that can be used. */
export function loadIfThere(run: Run, which: "best" | "last"): Snapshot | undefined {
  try {
    return run.loadCheckpoint(which);
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}
