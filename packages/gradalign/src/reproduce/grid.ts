/** @file The trainings that some experiments need, each once, and which of them are done. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Experiment, FinalAttack, Scale, Training } from "@gradalign/experiments";
import { readJson, writeFileAtomic } from "@gradalign/robustness/node";
import { type DataKind, type Provenance, provenance, readRobustness, runId } from "@gradalign/runs/node";
import { z } from "zod";

/** A training with its address and folder. */
export interface GridTraining extends Training {
  readonly id: string;
  readonly folder: string;
  /** Whether its images are the data set its settings name. */
  readonly data: DataKind;
}

/** An experiment at a scale. */
export interface ScaledExperiment {
  readonly experiment: Experiment;
  readonly scale: Scale;
}

/** Folder of all trainings below the output folder. */
export const TRAININGS = "trainings";
/** Marks a training whose last step is done; attacks have records of their own. */
const DONE = "finished.json";

/** The union of the experiments' grids: equal settings once, with the attacks of all. */
export function gridOf(experiments: readonly ScaledExperiment[], out: string, kindOf: (dataset: string) => DataKind): GridTraining[] {
  const grid = new Map<string, GridTraining>();
  for (const { experiment, scale } of experiments) {
    for (const training of experiment.trainings(scale)) {
      const data = kindOf(training.config.dataset);
      const id = runId(training.config, data);
      const before = grid.get(id);
      const attacks = [...(before?.attacks ?? [])];
      for (const attack of training.attacks) if (!attacks.some((other) => isSameAttack(other, attack))) attacks.push(attack);
      grid.set(id, { ...(before ?? training), attacks, id, data, folder: join(out, TRAININGS, id) });
    }
  }
  return [...grid.values()];
}

/** Whether two attacks give the same number. */
export function isSameAttack(a: FinalAttack, b: FinalAttack): boolean {
  return a.attack === b.attack && a.epsilon === b.epsilon && a.examples === b.examples && a.which === b.which;
}

/** Whether training and all attacks are done. A diverged training has no last model to attack. */
export function isFinished({ folder, attacks }: GridTraining): boolean {
  if (!existsSync(join(folder, DONE))) return false;
  const records = readRobustness(folder);
  const diverged = readFinished(folder).diverged !== undefined;
  return attacks.every(
    (attack) =>
      (diverged && attack.which === "last") ||
      records.some((record) => isSameAttack({ ...record, examples: record.n, which: record.which as "last" | "best" }, attack)),
  );
}

const doneForm = z.object({ version: z.string(), commit: z.string().nullable(), date: z.string(), diverged: z.exactOptional(z.string()) });

/** Who did a training, and when. */
export interface DoneBy extends Pick<Provenance, "version" | "commit" | "date"> {
  /** Why it ended before its last step: its numbers were not finite any more. */
  readonly diverged?: string;
}

/** Notes that the last step is done, or that the training diverged before it, and by which commit. */
export function noteFinished(folder: string, diverged?: string): void {
  const { version, commit, date } = provenance();
  const done: DoneBy = { version, commit, date, ...(diverged === undefined ? {} : { diverged }) };
  writeFileAtomic(join(folder, DONE), `${JSON.stringify(done)}\n`);
}

/** What {@link noteFinished} noted. */
export function readFinished(folder: string): DoneBy {
  return readJson(join(folder, DONE), doneForm, "delete it; the training's end is then noted again");
}
