/** @file The training loop: iterations, evaluations, checkpoints, and a way to stop and go on with the same bits. */

import type { StoredTensor } from "@gradalign/formats";
import { type Computed, ConfigError, type Device, GradalignError, LimitError, tensor, zeros } from "@gradalign/tensor";
import { CheckpointError } from "../checkpoint/errors.ts";
import { type ImageDataset, imageDataset } from "../data/dataset.ts";
import { detectOverfitting, type Overfitting } from "../diagnostics/overfitting.ts";
import { pauser } from "../eval/pause.ts";
import { createModel, models } from "../models/index.ts";
import type { Model, ModelTensors } from "../models/model.ts";
import { countParameters, type Params } from "../nn/params.ts";
import type { TrainConfig } from "./config.ts";
import { createEvaluator, type Evaluator } from "./evaluator.ts";
import { type BestCheckpoint, type Evaluation, selectionAccuracy, type TrainEvent } from "./events.ts";
import { progressReporter } from "./progress.ts";
import { type Arithmetic, arithmeticDifference, arithmeticOf, identityOf, type RunSeal, requireSameConfig, requireSameData } from "./seal.ts";
import { createSession, type HostSums, type Session } from "./session.ts";
import { type CheckpointSink, type RunRecord, restoreModel, type Snapshot, storeTree } from "./snapshot.ts";
import type { StepPrograms } from "./step-programs.ts";

/** How {@link train} runs. */
export interface TrainOptions {
  readonly device: Device;
  /** Compiled steps to share with other trainings on this device; of this training alone unless set. */
  readonly programs?: StepPrograms;
  /** A model of one's own; its name must be the settings'. */
  readonly model?: Model;
  readonly onEvent?: (event: TrainEvent) => void;
  /** Ends the run after the iteration in progress, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly checkpoints?: CheckpointSink;
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

/** The best parameters so far, on the host, as `params/NAME` and `state/NAME`. */
interface Best {
  readonly iteration: number;
  readonly accuracy: number;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * Trains a model as the settings say. On one backend, equal settings give equal bits, whatever the number of threads, stopped and resumed or not.
 *
 * @throws ConfigError for settings, a model and a data set that do not fit together; DataError for a data set too small or with
 * labels of no class; CheckpointError when `resume`
 * belongs to another run; TrainingError when the loss stops being finite; LimitError when a GPU's limits are too small for the batch or
 * the data; OutOfMemoryError when a device's memory does not suffice; DeviceError when the device is lost; both with the last checkpoint as it was.
 * @example
 * const result = await train(resolveTrainConfig({ dataset: data, model: "cnn", method: "fgsm", epochs: 5 }), data, { device });
 */
export async function train(config: TrainConfig, dataset: ImageDataset, options: TrainOptions): Promise<TrainResult> {
  try {
    return await run(config, dataset, options);
  } catch (error) {
    throw error instanceof LimitError ? withRemedy(error, config, dataset) : error;
  }
}

async function run(config: TrainConfig, given: ImageDataset, options: TrainOptions): Promise<TrainResult> {
  // Whoever made it: labels and images are checked.
  const dataset = imageDataset(given);
  if (!options?.device) throw new ConfigError("train: options.device is missing; pass { device: await createDevice() }");
  const { device } = options;
  const model = modelFor(config, dataset, options.model);
  checkFit(model, config, dataset);
  const session = createSession(model, config, dataset, device, options.programs);
  let evaluator: Evaluator | null = null;
  let result: TrainResult | null = null;
  try {
    evaluator = createEvaluator(model, config, dataset, device);
    result = await perform({ model, session, evaluator }, config, dataset, options);
    return result;
  } finally {
    session.dispose({ model: result === null });
    evaluator?.dispose();
  }
}

interface Prepared {
  readonly model: Model;
  readonly session: Session;
  readonly evaluator: Evaluator;
}

async function perform({ model, session, evaluator }: Prepared, config: TrainConfig, dataset: ImageDataset, options: TrainOptions): Promise<TrainResult> {
  const { device, signal, checkpoints, resume } = options;
  const emit = options.onEvent ?? (() => {});
  const identity = { name: model.name, config: model.config };
  const pause = pauser();
  const checkpointEvery = options.checkpointEvery ?? config.evalEvery;

  const evaluations: Evaluation[] = [];
  let best: Best | null = null;
  let iteration = 0;
  let earlierSeconds = 0;
  let seal: RunSeal = { config, data: identityOf(dataset, options.fingerprint ?? null), arithmetic: [arithmeticOf(device, options.arithmetic)] };
  if (resume) {
    const progress = checkResume(resume, seal, options.elsewhere ?? false);
    seal = progress.seal;
    session.restore(resume.tensors);
    iteration = resume.iteration;
    evaluations.push(...progress.evaluations);
    best = progress.best;
    earlierSeconds = progress.seconds;
  } else {
    session.initialize();
    await device.tune?.();
  }
  checkpoints?.rewind?.(evaluations);

  const chance = 1 / dataset.classNames.length;
  const adversarial = config.method.name !== "standard";
  const findOverfitting = (): Overfitting | null => (adversarial ? detectOverfitting(evaluations, chance) : null);
  let overfitting = findOverfitting();
  const started = performance.now();
  const seconds = (): number => earlierSeconds + (performance.now() - started) / 1000;
  const epochOf = (done: number): number => done / session.iterationsPerEpoch;

  const save = async (kind: "last" | "best"): Promise<void> => {
    if (!checkpoints) return;
    const run: RunRecord = { ...seal, best: best && describeBest(best, config), seconds: seconds() };
    const tensors = kind === "best" ? (best?.tensors ?? new Map()) : await lastTensors(session, best);
    // Parameters that are not finite, which a last finite loss may have led to, must not replace a good checkpoint.
    const broken = kind === "last" ? firstNotFinite(tensors) : undefined;
    if (broken !== undefined) throw notFinite(broken, iteration, config);
    const sofar = kind === "last" ? { evaluations: [...evaluations] } : {};
    const path = checkpoints.save(kind, { model: identity, iteration, epoch: epochOf(iteration), tensors, run, ...sofar });
    emit({ type: "checkpoint", kind, iteration, ...(path === undefined ? {} : { path }) });
  };

  const evaluate = async (): Promise<void> => {
    const sums = await checkedSums(session, iteration, config);
    const { params, state } = session.current;
    const measured = await evaluator.evaluate(params, state, pause);
    const examples = sums.iterations * config.batchSize;
    const skipped = await session.readSkipped();
    const evaluation: Evaluation = {
      iteration,
      epoch: epochOf(iteration),
      lr: iteration === 0 ? 0 : session.learningRate(iteration - 1),
      train_loss: sums.loss / sums.iterations,
      train_reg: sums.regularizer / sums.iterations,
      train_acc: sums.correct / examples,
      ...measured,
      ...(skipped === null ? {} : { skipped_steps: skipped }),
      seconds: seconds(),
    };
    session.clearSums();
    evaluations.push(evaluation);
    checkpoints?.record?.(evaluation);
    emit({ type: "evaluation", evaluation });
    if (!overfitting) {
      overfitting = findOverfitting();
      if (overfitting) {
        emit({ type: "catastrophic-overfitting", ...overfitting, before: overfitting.before as Evaluation, after: overfitting.after as Evaluation });
      }
    }
    const accuracy = selectionAccuracy(evaluation);
    if (accuracy > (best?.accuracy ?? -1)) {
      const tensors = await storeTree({ params, state });
      if (firstNotFinite(tensors) === undefined) {
        best = { iteration, accuracy, tensors };
        await save("best");
      }
    }
  };

  emit({
    type: "start",
    iterations: session.iterations,
    iteration,
    parameters: countParameters(session.current.params),
    compileMs: session.stats()?.compileMs ?? 0,
  });
  if (!resume) await evaluate();
  const progress = await progressReporter(config.batchSize, session, iteration, () => checkedSums(session, iteration, config), emit);
  let saved = resume ? iteration : -1;
  while (iteration < session.iterations && !signal?.aborted) {
    session.step(iteration);
    iteration++;
    await device.settle(PENDING_STEPS);
    await progress.report(iteration);
    if (iteration % config.evalEvery === 0 || iteration === session.iterations) await progress.excluding(evaluate);
    if (iteration % checkpointEvery === 0 || iteration === session.iterations) {
      await progress.excluding(async () => {
        await checkedSums(session, iteration, config);
        await save("last");
      });
      saved = iteration;
    }
    await pause();
  }
  const interrupted = iteration < session.iterations;
  if (interrupted && saved !== iteration) {
    await checkedSums(session, iteration, config);
    await save("last");
  }
  const { params, state } = session.current;
  const found = best as Best | null;
  emit({
    type: "end",
    iteration,
    interrupted,
    best: found && describeBest(found, config),
    overfitting: overfitting && { iteration: overfitting.iteration, epoch: overfitting.epoch },
  });
  return { model, params, state, best: found && { ...restoreModel(model, found), iteration: found.iteration }, evaluations, interrupted, overfitting };
}

/** Steps that may wait in a GPU's queue: enough to keep it busy, few enough to stop soon. */
const PENDING_STEPS = 2;

/** The same error with the size that would fit: of the data where they are what is too large, else of the batch. */
function withRemedy(error: LimitError, config: TrainConfig, dataset: ImageDataset): LimitError {
  const { limit, needed, available } = error;
  const pixels = dataset.shape.reduce((product, extent) => product * extent, 1);
  const remedy =
    needed === pixels * (config.trainSize ?? dataset.train.count)
      ? `the training images do not fit; at most ${Math.floor(available / pixels)} do (trainSize)`
      : `batchSize ${config.batchSize} is too large for this GPU; ${Math.max(1, Math.floor((config.batchSize * available) / needed))} would fit`;
  return new LimitError(`train: ${remedy}. ${error.message}`, limit, needed, available);
}

/** Training went wrong numerically. */
export class TrainingError extends GradalignError {
  constructor(message: string) {
    super("TrainingError", message);
  }
}

function modelFor(config: TrainConfig, dataset: ImageDataset, own: Model | undefined): Model {
  if (!own) return createModel(config.model, { classes: dataset.classNames.length, shape: dataset.shape });
  if (own.name !== config.model.name || Object.hasOwn(models, own.name)) {
    throw new ConfigError(
      `train: the model passed as an option is named "${own.name}", the settings say "${config.model.name}"; give both one name that is not a built-in model's`,
    );
  }
  return own;
}

/** Refuses what cannot work before anything is uploaded or compiled. */
function checkFit(model: Model, config: TrainConfig, dataset: ImageDataset): void {
  const { shape, classNames, name } = dataset;
  if (name !== config.dataset) {
    throw new ConfigError(`train: the settings are for the data set "${config.dataset}", the one given is "${name}"; resolve the settings with this data set`);
  }
  const [, height, width] = shape;
  if (config.augment.crop >= Math.min(height, width)) {
    throw new ConfigError(`train: augment.crop (=${config.augment.crop}) must be less than the images' ${height} x ${width} pixels; use 0 for no random crop`);
  }
  const expected = [config.batchSize, classNames.length];
  const misfit = (what: string, cause?: unknown): ConfigError =>
    new ConfigError(`train: the model ${model.name} does not fit the data set ${name} (images [${shape.join(", ")}], ${classNames.length} classes): ${what}`, {
      cause,
    });
  let logits: readonly number[];
  try {
    const { params, state } = model.init(tensor(new Int32Array(2)));
    // Values are lazy: this checks shapes and computes nothing.
    logits = model.apply(params, state, zeros([config.batchSize, ...shape]), { train: true }).logits.shape;
  } catch (error) {
    if (error instanceof GradalignError) throw misfit(error.message, error);
    throw error;
  }
  if (logits.join() !== expected.join()) throw misfit(`its logits are [${logits.join(", ")}], expected [${expected.join(", ")}]`);
}

/** For events and checkpoints. */
function describeBest({ iteration, accuracy }: Best, { validationSize }: TrainConfig): BestCheckpoint {
  return { iteration, ...(validationSize === undefined ? { train_pgd_acc: accuracy } : { validation_pgd_acc: accuracy }) };
}

/** Everything later bits depend on. */
async function lastTensors(session: Session, best: Best | null): Promise<Map<string, StoredTensor>> {
  const tensors = await storeTree(session.current);
  for (const [name, stored] of best?.tensors ?? []) tensors.set(`best/${name}`, stored);
  return tensors;
}

/** What a snapshot says of the run so far, once it is known to be this run's. */
function checkResume(
  { run, evaluations, tensors: stored }: Snapshot,
  present: RunSeal,
  elsewhere: boolean,
): { evaluations: readonly Evaluation[]; best: Best | null; seconds: number; seal: RunSeal } {
  if (!evaluations) throw new CheckpointError('train: resume needs a snapshot of kind "last"; this one cannot be trained further');
  requireSameConfig(run.config, present.config, "train");
  requireSameData(run.data, present.data, "train");
  const [before, here] = [run.arithmetic.at(-1), present.arithmetic[0]] as [Arithmetic, Arithmetic];
  const other = arithmeticDifference(before, here);
  if (other !== undefined && !elsewhere) {
    throw new CheckpointError(`train: the run cannot go on to the same bits: ${other}; resume it as and where it began, or allow the difference (elsewhere)`);
  }
  const prefix = "best/";
  const tensors = [...stored].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value] as const);
  const { best, seconds } = run;
  const accuracy = best ? (best.validation_pgd_acc ?? best.train_pgd_acc ?? 0) : 0;
  return {
    evaluations,
    best: best && { iteration: best.iteration, accuracy, tensors: new Map(tensors) },
    seconds,
    seal: { ...present, arithmetic: other === undefined ? run.arithmetic : [...run.arithmetic, here] },
  };
}

/** The sums, unless a loss among them was not finite. */
async function checkedSums(session: Session, iteration: number, config: TrainConfig): Promise<HostSums> {
  const sums = await session.readSums();
  if (sums.finite < sums.iterations) throw notFinite("the loss", iteration - sums.iterations + sums.finite + 1, config);
  return sums;
}

/** The name of the first tensor with an element that is not finite. */
function firstNotFinite(tensors: ReadonlyMap<string, StoredTensor>): string | undefined {
  return [...tensors].find(([, { data }]) => data instanceof Float32Array && !data.every(Number.isFinite))?.[0];
}

function notFinite(what: string, iteration: number, { schedule, method }: TrainConfig): TrainingError {
  const weight = "lambda" in method ? ` or the weight of the regulariser (lambda, now ${method.lambda.toPrecision(3)})` : "";
  return new TrainingError(
    `train: ${what} was not finite at iteration ${iteration}; lower the peak learning rate (now ${schedule.peak})${weight}, ` +
      "or try another seed. The last checkpoint, if any, is from before and was kept",
  );
}
