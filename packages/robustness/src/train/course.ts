/** @file A training's course: iterations, and between them evaluations and checkpoints. */
import type { Computed, Device } from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import { detectOverfitting, type Overfitting } from "../diagnostics/overfitting.ts";
import { pauser } from "../eval/pause.ts";
import type { Model, ModelTensors } from "../models/model.ts";
import { countParameters, type Params } from "../nn/params.ts";
import type { TrainConfig } from "./config.ts";
import { type Evaluation, selectionAccuracy, type TrainEvent } from "./events.ts";
import { createGuard, type Guard, type Guarded } from "./guard.ts";
import type { PhaseRun, PhaseRuns } from "./phase-runs.ts";
import { progressReporter } from "./progress.ts";
import { type Best, checkResume, describeBest, lastTensors, type Resumed } from "./resumption.ts";
import { type Arithmetic, arithmeticOf, identityOf, type RunSeal } from "./seal.ts";
import { type CheckpointSink, type RunRecord, restoreModel, type Snapshot, storeTree } from "./snapshot.ts";
import { trainedOf } from "./step.ts";
import type { StepPrograms } from "./step-programs.ts";
import { checkedSums, firstNotFinite, notFinite } from "./training-error.ts";

/** How a training runs. */
export interface TrainOptions {
  readonly device: Device;
  /** Compiled steps to share with other trainings on this device; of this training alone unless set. */
  readonly programs?: StepPrograms;
  /** Threads that read and decode streamed images; 2 unless set. The bits are the same with any number. */
  readonly workers?: number;
  /** What each phase of the settings trains on, where they have phases with images of their own; the last one's is the data set itself. */
  readonly phaseData?: readonly ImageDataset[];
  /** A model of one's own; its name must be the settings'. */
  readonly model?: Model;
  readonly onEvent?: (event: TrainEvent) => void;
  /** Ends the run after the iteration in progress, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly checkpoints?: CheckpointSink;
  /** Awaited after every step, with the share of all steps that is done: lets several trainings on one device take turns, or slows one down. */
  readonly pace?: (done: number) => Promise<void>;
  /** Goes on from a snapshot of kind `last`. */
  readonly resume?: Snapshot;
  /** Iterations between checkpoints; as between evaluations unless set. */
  readonly checkpointEvery?: number;
  /** Stands for the data set's content, e.g. its SHA-256; sealed in checkpoints, so that a run goes on with no other. */
  readonly fingerprint?: string;
  /** What decides the bits and the device does not tell of itself; sealed in checkpoints as well. */
  readonly arithmetic?: Arithmetic;
  /** Goes on although the arithmetic is not the one the run was computed with so far; the bits are then not those of an undisturbed run. */
  readonly elsewhere?: boolean;
}

/** What a run leaves. */
export interface TrainResult {
  readonly model: Model;
  readonly params: Computed<Params>;
  readonly state: Computed<Params>;
  /** The parameters with the highest PGD accuracy on training images, or on those held out: the paper's early stopping. */
  readonly best: (Computed<ModelTensors> & { readonly iteration: number }) | null;
  readonly evaluations: readonly Evaluation[];
  readonly interrupted: boolean;
  readonly overfitting: Overfitting | null;
}

/** What a training is performed with. */
export interface Prepared {
  readonly model: Model;
  readonly phases: PhaseRuns;
  readonly config: TrainConfig;
  /** What each phase trains on. */
  readonly datasets: readonly ImageDataset[];
  readonly options: TrainOptions;
}

/** Where a training is. */
interface Course extends Prepared {
  readonly seal: RunSeal;
  /** How often a guess is right. */
  readonly chance: number;
  readonly evaluations: Evaluation[];
  readonly emit: (event: TrainEvent) => void;
  /** Awaited between pieces of work. */
  readonly pause: () => Promise<void>;
  /** Seconds so far, those before an interruption among them. */
  seconds(): number;
  /** The phase that is under way. */
  phase: PhaseRun;
  iteration: number;
  best: Best | null;
  overfitting: Overfitting | null;
  readonly guard: Guard | null;
}

/** Trains to the end, or until the signal; the caller disposes of the phases. */
export async function perform(prepared: Prepared): Promise<TrainResult> {
  const course = await begin(prepared);
  const { model, config, options, emit, evaluations } = course;
  const { iterations, parts } = prepared.phases.timetable;
  const { session } = course.phase;
  emit({
    type: "start",
    iterations,
    iteration: course.iteration,
    parameters: countParameters(session.current.params),
    compileMs: session.stats()?.compileMs ?? 0,
    ...(session.stats() ? memoryOf(options.device) : {}),
    ...microBatchesOf(course),
  });
  if (isMissing(course)) await evaluate(course);
  await iterate(course);
  for (const part of parts.slice(course.phase.part.phase + 1)) {
    if (options.signal?.aborted) break;
    course.phase = await prepared.phases.enter(part);
    await iterate(course);
  }
  const { iteration, best, overfitting } = course;
  const interrupted = iteration < iterations;
  emit({
    type: "end",
    iteration,
    interrupted,
    best: best && describeBest(best, config),
    overfitting: overfitting && { iteration: overfitting.iteration, epoch: overfitting.epoch },
  });
  const { params, state } = course.phase.session.current;
  return { model, params, state, best: best && { ...restoreModel(model, best), iteration: best.iteration }, evaluations, interrupted, overfitting };
}

/** The state before the first iteration, or that of the checkpoint to go on from. */
async function begin(prepared: Prepared): Promise<Course> {
  const { phases, config, datasets, options } = prepared;
  const { device, checkpoints, resume } = options;
  const present: RunSeal = { config, data: identityOf(datasets, options.fingerprint ?? null), arithmetic: [arithmeticOf(device, options.arithmetic)] };
  const progress: Resumed = resume ? checkResume(resume, present, options.elsewhere ?? false) : { evaluations: [], best: null, seconds: 0, seal: present };
  // What a checkpoint holds is the state after the step before it, which may have been a phase's last.
  const phase = await phases.enter(phases.timetable.partOf(Math.max(0, (resume?.iteration ?? 0) - 1)));
  const { session } = phase;
  if (resume) session.restore(resume.tensors);
  else {
    await session.ready(null);
    session.initialize();
    await device.tune?.();
  }
  const guard = await guardOf(phase, progress);
  const evaluations = [...progress.evaluations];
  checkpoints?.rewind?.(evaluations);
  const started = performance.now();
  const course: Course = {
    ...prepared,
    seal: progress.seal,
    phase,
    chance: 1 / (datasets[0] as ImageDataset).classNames.length,
    evaluations,
    emit: options.onEvent ?? (() => {}),
    pause: pauser(),
    seconds: () => progress.seconds + (performance.now() - started) / 1000,
    iteration: resume?.iteration ?? 0,
    best: progress.best,
    overfitting: null,
    guard,
  };
  course.overfitting = findOverfitting(course);
  return course;
}

/** What the settings have watch over the run, if anything. */
async function guardOf({ session, evaluator, config, part }: PhaseRun, { guard: from }: Resumed): Promise<Guard | null> {
  const { guard: mode = "off" } = config;
  if (mode === "off") return null;
  if (from) session.change(from.record.alarms.length);
  const run: Guarded = {
    signs: async () => ({ attack_alignment: null, fallen_losses: null, ...(await session.readSigns()) }),
    probe: () => {
      const { params, state } = trainedOf(session.current);
      return evaluator.probe(params, state);
    },
    state: () => storeTree(session.current),
    restore: (tensors) => session.restore(tensors),
  };
  return createGuard(mode, run, part.iterationsPerEpoch, from);
}

/** Lets the guard look; after an alarm the run goes on with a change. */
async function look({ guard, phase: { session }, phases, config, emit }: Course, iteration: number): Promise<void> {
  const alarm = await guard?.after(iteration);
  if (!guard || !alarm) return;
  session.change(guard.alarms.length);
  const change = alarm.restored === null ? null : (config.guardChange ?? "smaller-step");
  emit({ type: "alarm", ...alarm, epoch: phases.timetable.epochsAfter(iteration), change });
}

function memoryOf(device: Device): { memory?: { needed: number; most?: number } } {
  const { liveBytes, mostBytes } = device.memory();
  return liveBytes === 0 ? {} : { memory: { needed: liveBytes, ...(mostBytes === undefined ? {} : { most: mostBytes }) } };
}

function microBatchesOf({ phase }: Course) {
  const { session, config } = phase;
  const { batchSize, microBatch: size = batchSize } = config;
  if (size === batchSize) return {};
  return { microBatches: { parts: batchSize / size, size, normalized: Object.keys(session.current.state).length > 0 } };
}

function findOverfitting({ config, evaluations, chance }: Course): Overfitting | null {
  return config.method.name === "standard" ? null : detectOverfitting(evaluations, chance);
}

/** All iterations that are left of the phase, until the signal. */
async function iterate(course: Course): Promise<void> {
  const { config, options, phases, pause } = course;
  const { session, part } = course.phase;
  const { device, signal } = options;
  const checkpointEvery = options.checkpointEvery ?? config.evalEvery;
  const readSums = () => checkedSums(session, course.iteration, config);
  const saveLast = async (): Promise<void> => {
    await readSums();
    await save(course, "last");
  };
  const progress = await progressReporter(part.batchSize, phases.timetable, course.iteration, readSums, course.emit);
  let saved = options.resume ? course.iteration : -1;
  while (course.iteration < session.iterations && !signal?.aborted) {
    await session.ready(course.iteration);
    session.step(course.iteration);
    const iteration = ++course.iteration;
    const done = iteration === session.iterations;
    await device.settle(PENDING_STEPS);
    await progress.report(iteration);
    if (course.guard) await progress.excluding(() => look(course, iteration));
    if (iteration % config.evalEvery === 0 || done) await progress.excluding(() => evaluate(course));
    if (iteration % checkpointEvery === 0 || done) {
      await progress.excluding(saveLast);
      saved = iteration;
    }
    await pause();
    await options.pace?.(iteration / session.iterations);
  }
  if (course.iteration < session.iterations && saved !== course.iteration) await saveLast();
}

/** Whether the evaluation that belongs to where the training is was given up, or has not been begun. */
function isMissing({ iteration, evaluations, config: { evalEvery } }: Course): boolean {
  return iteration % evalEvery === 0 && !evaluations.some((evaluation) => evaluation.iteration === iteration);
}

/** What an evaluation that is given up is rejected with. */
const GIVEN_UP = new Error("the evaluation was given up");

/** Measures the model as it is now, looks for overfitting, and keeps the model if it is the best so far. A signal gives it up, for the training to be
 * continued with it, unless there is nothing else left to do. */
async function evaluate(course: Course): Promise<void> {
  const { config, options, phases, phase, evaluations, emit, iteration, pause } = course;
  const { session, evaluator, part } = phase;
  const sums = await checkedSums(session, iteration, config);
  const { params, state } = session.current;
  const isLast = iteration === phases.timetable.iterations;
  const pauseOrGiveUp = async (): Promise<void> => {
    await pause();
    if (options.signal?.aborted && !isLast) throw GIVEN_UP;
  };
  const measured = await evaluator.evaluate(params, state, pauseOrGiveUp).catch((error: unknown) => {
    if (error !== GIVEN_UP) throw error;
    return null;
  });
  if (!measured) return;
  const skipped = await session.readSkipped();
  const evaluation: Evaluation = {
    iteration,
    epoch: phases.timetable.epochsAfter(iteration),
    lr: iteration === 0 ? 0 : session.learningRate(iteration - 1),
    train_loss: sums.loss / sums.iterations,
    train_reg: sums.regularizer / sums.iterations,
    train_acc: sums.correct / (sums.iterations * part.batchSize),
    ...measured,
    ...(await session.readSigns()),
    ...(skipped === null ? {} : { skipped_steps: skipped }),
    seconds: course.seconds(),
  };
  session.clearSums();
  evaluations.push(evaluation);
  course.options.checkpoints?.record?.(evaluation);
  emit({ type: "evaluation", evaluation });
  const found = course.overfitting === null ? findOverfitting(course) : null;
  if (found) {
    course.overfitting = found;
    emit({ type: "catastrophic-overfitting", ...found, before: found.before as Evaluation, after: found.after as Evaluation });
  }
  const accuracy = selectionAccuracy(evaluation);
  // Of equals the first, but any training is better than none.
  if (course.best && (course.best.iteration === 0 ? accuracy < course.best.accuracy : accuracy <= course.best.accuracy)) return;
  const tensors = await storeTree({ params, state });
  if (firstNotFinite(tensors) !== undefined) return;
  course.best = { iteration, accuracy, tensors };
  await save(course, "best");
}

async function save(course: Course, kind: "last" | "best"): Promise<void> {
  const { model, phases, phase, config, options, seal, best, iteration, guard } = course;
  const { checkpoints } = options;
  if (!checkpoints) return;
  const run: RunRecord = {
    ...seal,
    best: best && describeBest(best, config),
    seconds: course.seconds(),
    ...(guard && kind === "last" ? { guard: guard.record() } : {}),
  };
  const tensors = kind === "best" ? (best?.tensors ?? new Map()) : await lastTensors(phase.session, best, guard);
  // Parameters that are not finite, which a last finite loss may have led to, must not replace a good checkpoint.
  const broken = kind === "last" ? firstNotFinite(tensors) : undefined;
  if (broken !== undefined) throw notFinite(broken, iteration, config);
  const sofar = kind === "last" ? { evaluations: [...course.evaluations] } : {};
  const identity = { name: model.name, config: model.config };
  const path = checkpoints.save(kind, { model: identity, iteration, epoch: phases.timetable.epochsAfter(iteration), tensors, run, ...sofar });
  course.emit({ type: "checkpoint", kind, iteration, ...(path === undefined ? {} : { path }) });
}

/** Steps that may wait in a GPU's queue: enough to keep it busy, few enough to stop soon. */
const PENDING_STEPS = 2;
