/** @file Run folders with made-up evaluations, as training writes them. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { type Evaluation, type PartialTrainConfig, resolveTrainConfig, type Snapshot } from "@gradalign/robustness";
import { createRun, type Run } from "../../src/folder/node-run.ts";
import { syntheticRun } from "./synthetic-run.ts";

/** A run of 30 epochs, a measurement every 200 of its 11,700 steps; `collapse` is the epoch of catastrophic overfitting, or null. */
export interface MadeUpRun {
  readonly config?: PartialTrainConfig;
  readonly collapse?: number | null;
  /** The first so many of its 59 evaluations; all unless set. */
  readonly evaluations?: number;
  /** What its guard said. */
  readonly alarms?: readonly { readonly iteration: number; readonly evidence: string; readonly restored: number | null }[];
}

/** Evaluations of a made-up run. */
export function madeUpEvaluations(collapse: number | null): readonly Evaluation[] {
  const { evaluations } = syntheticRun("fgsm", collapse);
  // The last step is evaluated in any case.
  return [...evaluations, { ...(evaluations.at(-1) as Evaluation), iteration: 11_700, epoch: 30 }];
}

/** Writes the run, with a checkpoint after its last evaluation. */
export function writeRun(folder: string, { config = {}, collapse = null, evaluations, alarms }: MadeUpRun = {}): Run {
  const resolved = resolveTrainConfig({ model: "cnn", method: "fgsm", epsilon: 10 / 255, epochs: 30, ...config });
  const run = createRun(folder, resolved);
  const all = madeUpEvaluations(collapse).slice(0, evaluations);
  run.sink.rewind?.(all);
  const last = all.at(-1);
  if (!last) return run;
  const guard = alarms && { guard: { alarm: { aligned: 0.9 }, next: 0, alarms, kept: [] } };
  const data = { fingerprint: null, classNames: [..."0123456789"], shape: [3, 32, 32], train: 50_000, test: 10_000 };
  const snapshot: Snapshot = {
    model: { name: "cnn", config: { filters: 4, classes: 10, shape: [3, 32, 32] } },
    iteration: last.iteration,
    epoch: last.epoch,
    tensors: new Map(),
    run: { config: resolved, data, arithmetic: [{ backend: "wasm" }], best: null, seconds: last.seconds, ...guard },
  };
  run.sink.save("last", snapshot);
  return run;
}

/** Adds an evaluation, as a process that trains does. */
export function addEvaluation(folder: string, evaluation: Evaluation): void {
  appendFileSync(join(folder, "metrics.jsonl"), `${JSON.stringify(evaluation)}\n`);
}
