/**
 * @file Trains what a grid misses: one after the other in this process, or side by side in processes of their own.
 *
 * A training's folder is locked while it is worked on, so that two commands can share an output folder.
 */

import { restoreModel, type StepPrograms, stepPrograms, TrainingError } from "@gradalign/robustness";
import type { LoadedDataset, Lock } from "@gradalign/robustness/node";
import { modelOfSnapshot, type RunView, type Settings } from "@gradalign/runs";
import { attackSaved, isRunFolder, openRun, ownRun, performRun, type RunRequest, type TrackerChoice, trackedView } from "@gradalign/runs/node";
import { type Device, GradalignError } from "@gradalign/tensor";
import type { Cost, CostBook, Schedule } from "./costs.ts";
import { type GridTraining, isFinished, noteFinished, readFinished } from "./grid.ts";
import type { GridView } from "./grid-view.ts";
import { trainingPool } from "./training-pool.ts";

/** Seconds of computation that a kill may cost. */
const CHECKPOINT_SECONDS = 2;

/** What {@link performTraining} needs besides the training. */
export interface TrainingContext {
  readonly data: LoadedDataset;
  readonly device: Device;
  /** Compiled steps that trainings on the device share; of this training alone unless set. */
  readonly programs?: StepPrograms;
  readonly cost: Cost | undefined;
  /** Where its numbers are sent besides. */
  readonly track: readonly TrackerChoice[];
  readonly view: RunView;
  readonly signal: AbortSignal;
}

/** Does a training, or what is left of it; resolves to false when it was interrupted. One that diverges is done then, and noted to have. */
export async function performTraining(training: GridTraining, context: TrainingContext): Promise<boolean> {
  const { view, signal } = context;
  const onWait = (holder: string): void => view.note(`${training.label}: another process works on it (${holder}); waiting`);
  return ownRun(training.folder, { note: view.note, onWait, signal }, async (lock) => isFinished(training) || performOwned(training, context, lock));
}

/** As {@link performTraining}, in a folder that is the caller's. */
export async function performOwned(
  { id, label, folder, config, attacks }: GridTraining,
  { data, device, programs, cost, track, view: shown, signal }: TrainingContext,
  lock: Lock,
): Promise<boolean> {
  const { view, close } = trackedView(shown, track, { folder, id, label, config });
  const checkpointEvery = cost ? Math.max(1, Math.min(config.evalEvery, Math.floor(CHECKPOINT_SECONDS / cost.step))) : config.evalEvery;
  const own = { label: id, folder, config, resume: isRunFolder(folder), data, device, asked: {}, attacks, view, signal, checkpointEvery };
  const request = programs ? { ...own, programs } : own;
  try {
    const { interrupted } = await performRun(request, lock);
    if (!interrupted) noteFinished(folder);
    return !interrupted;
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    if (!(await attackBest(request))) return false;
    noteFinished(folder, error.message);
    return true;
  } finally {
    await close();
  }
}

/** Carries out the attacks on the best model that a diverged training kept, if there are any; resolves to false when interrupted. */
async function attackBest(request: RunRequest): Promise<boolean> {
  const attacks = request.attacks.filter(({ which }) => which === "best");
  const run = openRun(request.folder);
  if (attacks.length === 0 || !run.hasCheckpoint("best")) return true;
  const snapshot = run.loadCheckpoint("best");
  const model = modelOfSnapshot(snapshot);
  const best = { ...restoreModel(model, snapshot), iteration: snapshot.iteration };
  try {
    await attackSaved({ ...request, attacks }, { model, ...best, best, evaluations: run.evaluations, interrupted: false, overfitting: null });
    return true;
  } catch (error) {
    if (!request.signal.aborted) throw error;
    return false;
  }
}

/** How a grid is performed. */
export interface GridContext {
  readonly schedule: Schedule;
  readonly book: CostBook;
  readonly view: GridView;
  readonly signal: AbortSignal;
  readonly track: readonly TrackerChoice[];
  readonly backend: Settings["backend"] | undefined;
  /** Opens what trainings in this process need; called at most once. */
  readonly open: () => Promise<{ device: Device; dataset: (training: GridTraining) => Promise<LoadedDataset> }>;
}

/** Performs all trainings; resolves to false when interrupted. */
export async function performGrid(trainings: readonly GridTraining[], context: GridContext): Promise<boolean> {
  const { schedule, book, track, view, signal, open } = context;
  if (trainings.length === 0) return true;
  if (schedule.mode === "alone") {
    const { device, dataset } = await open();
    // Radii, weights and seeds are inputs: a figure's curve is one program.
    const programs = stepPrograms(device);
    try {
      for (const training of trainings) {
        if (signal.aborted) return false;
        const data = await dataset(training);
        const finished = await performTraining(training, { data, device, programs, cost: book.get(training.config)?.alone, track, view, signal });
        if (!finished) return false;
        tellDone(training, view);
      }
      return true;
    } finally {
      programs.dispose();
    }
  }
  return sideBySide(trainings, context);
}

function tellDone({ id, label, folder }: GridTraining, view: GridView): void {
  const { diverged } = readFinished(folder);
  if (diverged !== undefined) view.note(`${label} diverged, and counts as having no right answers: ${diverged}`);
  view.done(id);
}

async function sideBySide(trainings: readonly GridTraining[], { schedule, book, track, view, signal, backend }: GridContext): Promise<boolean> {
  const waiting = [...trainings];
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const pool = trainingPool();
  const work = async (): Promise<void> => {
    for (let training = waiting.shift(); training && !stop.aborted; training = waiting.shift()) {
      const { id, label, config } = training;
      const request = { training, threads: 1, backend, cost: book.get(config)?.["side by side"], track };
      const end = await pool.train(request, stop, (event) => view.event(id, event));
      if (end === true) tellDone(training, view);
      else if (end !== false) {
        failure.abort();
        throw new GradalignError("TrainingError", `${label}: ${end.message}`);
      }
    }
  };
  try {
    const settled = await Promise.allSettled(Array.from({ length: schedule.jobs }, work));
    for (const outcome of settled) if (outcome.status === "rejected" && !signal.aborted) throw outcome.reason;
    return !signal.aborted;
  } finally {
    pool.close();
  }
}
