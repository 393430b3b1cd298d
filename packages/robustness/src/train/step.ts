/** @file One training iteration as one program: batch, attack, losses, gradients through gradients, optimiser, metrics. */
import {
  abs,
  add,
  convert,
  foldIn,
  full,
  gather,
  iota,
  lt,
  mean,
  mul,
  type Operand,
  stopGradient,
  type Value,
  valueAndGrad,
  where,
  zeros,
} from "@gradalign/tensor";
import { gradAlignPenalty } from "../methods/gradalign.ts";
import { movedAlong } from "../methods/lap.ts";
import type { Carried, CarrySizes, Method, MethodContext } from "../methods/method.ts";
import { trainingNetwork, type Witness } from "../methods/network.ts";
import type { Model, ModelTensors } from "../models/model.ts";
import { countCorrect, smoothedCrossEntropyPerExample } from "../nn/cross-entropy.ts";
import type { Params } from "../nn/params.ts";
import { mapParams, normNames, type Optimizer, type OptimizerDefinition, type OptimizerState } from "../optim/optimizer.ts";
import type { Given, OptionTable, ValuesOf } from "../options/option.ts";
import { tracedValues } from "../options/traced.ts";
import { linf } from "../threat/linf.ts";
import { nextAverage, noAverage, type Trained } from "./averaging.ts";
import { type Augmentation, augmentedImages, augmentedRows, batchRows, type TrainingData } from "./batch.ts";
import { firstScaling, type LossScaling, nextScaling, unlessSkipped, unscaled } from "./loss-scaling.ts";
import { type Mixture, mixedImages, mixedLabels } from "./mixing.ts";
import { nextWatched, nothingWatched, type Watched } from "./watched.ts";

/** Sums since the last evaluation, float32 scalars. */
export interface MetricSums {
  readonly loss: Value;
  readonly regularizer: Value;
  readonly correct: Value;
  /** Iterations summed. */
  readonly iterations: Value;
  /** How many of the iterations had a finite loss before the first that had not. */
  readonly finite: Value;
}

/** All that one iteration hands to the next. */
export interface TrainState {
  /** What is evaluated and kept: what is trained or, with averaging, its average. */
  readonly params: Params;
  readonly state: Params;
  /** With averaging what is trained; empty without. */
  readonly trained: Trained | Record<string, never>;
  readonly optimizer: OptimizerState;
  /** The method's own; empty for most. */
  readonly carry: Carried;
  /** Empty unless losses are scaled. */
  readonly scaling: LossScaling | Record<string, never>;
  readonly sums: MetricSums;
  /** Empty unless a guard watches. */
  readonly watched: Watched | Record<string, never>;
}

/** Numbers of a run that a step takes as they come: with others it is the same program. */
export interface StepNumbers {
  /** Radius in pixel units. */
  readonly epsilon: Value | number;
  /** The method's, by option. */
  readonly method: Readonly<Record<string, Value | number>>;
  /** The optimiser's, by option. */
  readonly optimizer: Readonly<Record<string, Value | number>>;
  /** Weight of the GradAlign that is added, where it is. */
  readonly addedGradAlign?: Value | number;
}

/** What a step is given besides the state and the data. */
export interface StepInputs {
  /** Where the batch starts in the epoch's order: int32 [1]. */
  readonly position: Value;
  /** Number in its batch of a micro-batch's first image: int32 [1]; without micro-batches there is none. */
  readonly part?: Value;
  readonly augmentKey: Value;
  readonly attackKey: Value;
  /** How the batch is mixed, where it is. */
  readonly mixture?: Mixture;
  /** Learning rate, a scalar. */
  readonly lr: Value;
  /** Warm-up of the attack, a scalar in [0, 1]; not read without a warm-up. */
  readonly ramp: Value;
  /** Number of the epoch, from 0, a scalar; for methods that use it only. */
  readonly epoch?: Value;
  readonly numbers: StepNumbers;
}

/** What a step is built from. */
export interface StepOptions {
  readonly model: Model;
  readonly method: Method;
  /** The method's options; those that are inputs of the step are not read. */
  readonly methodOptions: ValuesOf<OptionTable>;
  readonly optimizer: OptimizerDefinition;
  /** The optimiser's options, likewise. */
  readonly optimizerOptions: Given;
  /** Images that are computed with at a time: a batch, or a micro-batch, of which `parts` make a batch. */
  readonly batchSize: number;
  readonly parts: number;
  /** Whether the data are one batch, and the order the numbers of its images; else they are all images, of which the step cuts one. */
  readonly streamed: boolean;
  readonly augment: Augmentation;
  /** How many classes there are where images are mixed, and labels are shares of them; 0 where every image has its own. */
  readonly mixedClasses: number;
  /** Share of each label that all classes get; 0 for none. */
  readonly labelSmoothing: number;
  /** Share that a step leaves of the weights' average; 0 for no average. */
  readonly averaging: number;
  /** Share of its norm by which every weight is moved uphill before the loss is taken there; 0 for none. */
  readonly weightPerturbation: number;
  /** Whether contractions multiply in float16, so that losses must be scaled. */
  readonly scaleLoss: boolean;
  /** Whether averages of what the attack shows are kept. */
  readonly watched: boolean;
  /** Whether the GradAlign regulariser is added to the method's loss. */
  readonly addGradAlign: boolean;
}

/** What a step is trained on. */
export type DataSizes = Omit<CarrySizes, "batch">;

/** The state before the first iteration. */
export function initialState(setup: StepOptions, sizes: DataSizes, key: Value): TrainState {
  const { model, method, batchSize: batch, averaging, scaleLoss, watched } = setup;
  const { params, state } = model.init(key);
  const weights = averaging > 0 ? { ...noAverage({ params, state }), trained: { params, state, averages: zeros([]) } } : { params, state, trained: {} };
  const optimizer = optimizerOf(setup, {}, { params, state });
  const carry = method.carries?.({ batch, ...sizes }) ?? {};
  return {
    ...weights,
    optimizer: optimizer.init(params),
    carry,
    scaling: scaleLoss ? firstScaling() : {},
    sums: noSums(),
    watched: watched ? nothingWatched() : {},
  };
}

/** Sums of nothing. */
export function noSums(): MetricSums {
  return { loss: zeros([]), regularizer: zeros([]), correct: zeros([]), iterations: zeros([]), finite: zeros([]) };
}

/** The step function, to be compiled with its first argument donated. */
export function trainingStep(setup: StepOptions): (train: TrainState, data: TrainingData, order: Value, inputs: StepInputs) => TrainState {
  return (train, data, order, inputs) => {
    const { state } = trainedOf(train);
    const pass = lossPass(setup, train, { state, carry: train.carry, watched: train.watched }, { data, order, inputs }, (...losses) =>
      addMetrics(train.sums, ...losses),
    );
    return updatedState(setup, train, pass, inputs);
  };
}

/** What the micro-batches of a step have added up to so far. */
export interface Accumulated {
  /** Sums of the gradients of their mean losses. */
  readonly grads: Params;
  /** Batch-norm statistics, moved by each in turn. */
  readonly state: Params;
  readonly carry: Carried;
  readonly watched: TrainState["watched"];
  /** Sums of mean losses, and of right answers. */
  readonly sums: { readonly loss: Value; readonly regularizer: Value; readonly correct: Value; readonly total: Value };
}

/** Before the first micro-batch. */
export function nothingAccumulated(train: TrainState): Accumulated {
  const { params, state } = trainedOf(train);
  const sums = { loss: zeros([]), regularizer: zeros([]), correct: zeros([]), total: zeros([]) };
  return { grads: mapParams(({ shape }) => zeros(shape), params), state, carry: train.carry, watched: train.watched, sums };
}

/** Adds a micro-batch, of the setup's batch size; to be compiled with its second argument donated. */
export function accumulation(
  setup: StepOptions,
): (train: TrainState, before: Accumulated, data: TrainingData, order: Value, inputs: StepInputs) => Accumulated {
  return (train, before, data, order, inputs) => {
    const { grads, state, carry, watched, sums } = lossPass(setup, train, before, { data, order, inputs }, (loss, regularizer, correct, total) => ({
      loss: add(before.sums.loss, loss),
      regularizer: add(before.sums.regularizer, regularizer),
      correct: add(before.sums.correct, correct),
      total: add(before.sums.total, total),
    }));
    return { grads: mapParams(add, before.grads, grads), state, carry, watched, sums };
  };
}

/** The update by the mean over the setup's parts; to be compiled with both states donated. */
export function accumulatedUpdate(setup: StepOptions): (train: TrainState, accumulated: Accumulated, inputs: Pick<StepInputs, "lr" | "numbers">) => TrainState {
  return (train, { grads, state, carry, watched, sums }, inputs) => {
    const share = (value: Value): Value => mul(value, 1 / setup.parts);
    const { loss, regularizer, correct, total } = sums;
    const metrics = addMetrics(train.sums, share(loss), share(regularizer), correct, share(total));
    const pass = { params: trainedOf(train).params, grads: mapParams(share, grads), state, carry, watched, sums: metrics };
    return updatedState(setup, train, pass, inputs);
  };
}

/** What a pass over a batch finds. */
interface Pass<Sums> {
  /** Where the gradients are taken: at the weights as they are, unless the method moves them. */
  readonly params: Params;
  /** Of the scaled loss, where losses are scaled. */
  readonly grads: Params;
  readonly state: Params;
  readonly carry: Carried;
  readonly watched: TrainState["watched"];
  readonly sums: Sums;
}

/** The losses of a batch, their gradients and what they leave, from the statistics and what is carried before. */
function lossPass<Sums>(
  setup: StepOptions,
  train: TrainState,
  before: Pick<TrainState, "state" | "carry" | "watched">,
  { data, order, inputs }: { readonly data: TrainingData; readonly order: Value; readonly inputs: StepInputs },
  summed: (loss: Value, regularizer: Value, correct: Value, total: Value) => Sums,
): Pass<Sums> {
  const { model, method, methodOptions, batchSize, parts, streamed, augment, mixedClasses, labelSmoothing, weightPerturbation, addGradAlign } = setup;
  const { position, part, augmentKey, mixture, attackKey, lr, ramp, epoch = 0, numbers } = inputs;
  const rows = streamed ? order : batchRows(order, position, batchSize);
  const draw = part ? { key: augmentKey, part: { first: part, images: parts * batchSize } } : { key: augmentKey };
  const images = augmentedImages(data.images, streamed ? iota([batchSize]) : rows, draw, augment);
  const classes = streamed ? data.labels : gather(data.labels, [rows]);
  const x = mixture ? mixedImages(images, mixture) : images;
  const labels = mixture ? mixedLabels(classes, mixedClasses, mixture) : classes;
  const augmented = (table: Value): Value => augmentedRows(table, rows, draw, augment, (values) => values);
  const options = tracedValues(method.options, methodOptions, numbers.method);
  const warmup: Operand = Number(methodOptions["warmupEpochs"] ?? 0) > 0 ? ramp : 1;

  const trained = trainedOf(train);
  const witness: Witness | undefined = setup.watched ? {} : undefined;
  const scaled = (loss: Value): Value => (isScaled(train.scaling) ? mul(loss, train.scaling.scale) : loss);
  const contextAt = (params: Params, state: Params, seen: Witness | undefined): MethodContext => {
    const network = trainingNetwork(model, params, state, labels, train.scaling["scale"], seen);
    return { network, x, rows, augmented, epsilon: numbers.epsilon, ramp: warmup, epoch, key: attackKey, carry: before.carry, options };
  };
  const begun = displaced();
  const objective = (params: Params, seen: Witness | undefined): [Value, Pick<Pass<Sums>, "state" | "carry" | "watched" | "sums">] => {
    const context = contextAt(params, begun.state, seen);
    const result = method.loss({ ...context, found: begun.found });
    const { logits } = result.adversarial;
    const loss = labelSmoothing > 0 ? mean(smoothedCrossEntropyPerExample(logits, labels, labelSmoothing)) : result.adversarial.loss;
    const watched = isWatched(before.watched) && seen ? nextWatched(before.watched, seen) : {};
    const own = result.regularizer ?? full([], 0);
    const regularizer = addGradAlign ? add(own, addedGradAlign(context, numbers.addedGradAlign ?? 0, seen)) : own;
    const total = add(loss, regularizer);
    const sums = summed(loss, regularizer, countCorrect(logits, labels), total);
    return [scaled(total), { state: context.network.state, carry: result.carry ?? {}, watched, sums }];
  };
  const [[, next], grads] = valueAndGrad((params: Params) => objective(params, witness))(weightPerturbation > 0 ? uphill() : begun.params);
  return { ...next, params: begun.params, grads };

  /** Where the loss is higher, each weight moved by the same share of its norm (Wu et al. 2020); a bias and a norm's factor stay. */
  function uphill(): Params {
    const [, slopes] = valueAndGrad((params: Params) => objective(params, undefined))(begun.params);
    return mapParams((weight, slope) => (weight.shape.length > 1 ? movedAlong(weight, slope, weightPerturbation) : weight), begun.params, slopes);
  }

  /** Where the method begins: at the weights as they are, unless it moves them. */
  function displaced(): Pick<TrainState, "params" | "state"> & { readonly found: Carried } {
    const { params } = trained;
    const { state } = before;
    const { displacement } = method;
    if (!displacement) return { params, state, found: {} };
    const first = (params: Params): [Value, { state: Params; found: Carried }] => {
      const context = contextAt(params, state, witness);
      const { loss, found } = displacement.first(context);
      return [scaled(loss), { state: context.network.state, found }];
    };
    const [[, passed], grads] = valueAndGrad(first)(params);
    const plain = isScaled(train.scaling) ? unscaled(grads, train.scaling).grads : grads;
    const [after] = optimizerOf(setup, numbers.optimizer, train).update(params, plain, train.optimizer, lr);
    return { ...passed, params: displacement.moved(params, after, options) };
  }
}

/** What an update makes of weights, statistics and the optimiser's state, and of their average. */
function updatedState(
  setup: StepOptions,
  train: TrainState,
  { params: begun, grads, state, ...next }: Pass<MetricSums>,
  { lr, numbers }: Pick<StepInputs, "lr" | "numbers">,
): TrainState {
  const { weights, scaling } = updated(train.scaling);
  if (!isAveraged(train.trained)) return { ...next, ...weights, scaling, trained: {} };
  const { averages } = train.trained;
  const average = nextAverage(train, weights, averages, setup.averaging);
  return {
    ...next,
    ...average,
    optimizer: weights.optimizer,
    scaling,
    trained: { params: weights.params, state: weights.state, averages: add(averages, 1) },
  };

  function updated(scaling: TrainState["scaling"]): { weights: Updated; scaling: TrainState["scaling"] } {
    const trained = trainedOf(train);
    const before = { params: trained.params, state: trained.state, optimizer: train.optimizer };
    const step = (plain: Params): Updated => {
      const [params, optimizerState] = optimizerOf(setup, numbers.optimizer, train).update(begun, plain, before.optimizer, lr);
      return { params, optimizer: optimizerState, state };
    };
    if (!isScaled(scaling)) return { weights: step(grads), scaling: {} };
    const { grads: plain, finite } = unscaled(grads, scaling);
    return { weights: unlessSkipped(finite, step(plain), before), scaling: nextScaling(finite, scaling) };
  }
}

type Updated = Pick<TrainState, "params" | "state" | "optimizer">;

function optimizerOf({ optimizer, optimizerOptions }: StepOptions, numbers: StepNumbers["optimizer"], tensors: ModelTensors): Optimizer {
  return optimizer.create(tracedValues(optimizer.options, optimizerOptions, numbers), normNames(tensors));
}

/** What is trained: with averaging not what is evaluated. */
export function trainedOf(train: TrainState): ModelTensors {
  return isAveraged(train.trained) ? train.trained : train;
}

function isAveraged(trained: TrainState["trained"]): trained is Trained {
  return "averages" in trained;
}

function isScaled(scaling: TrainState["scaling"]): scaling is LossScaling {
  return "scale" in scaling;
}

/** Whether there are averages. */
export function isWatched(watched: TrainState["watched"]): watched is Watched {
  return "seen" in watched;
}

/** GradAlign (Eq. 7) beside any method's loss: the attack's first gradient is the constant one. */
function addedGradAlign({ network, x, epsilon, key }: MethodContext, lambda: Value | number, witness: Witness | undefined): Value {
  const g1 = stopGradient(witness?.began?.gradient ?? network.inputGradient(x));
  // Not the keys that methods draw with.
  const eta = linf.randomStart(foldIn(key, ADDED), x.shape, epsilon);
  return gradAlignPenalty(g1, network.inputGradient(add(x, eta)), lambda);
}

const ADDED = 1 << 20;

function addMetrics(sums: MetricSums, loss: Value, regularizer: Value, correct: Value, total: Value): MetricSums {
  // A comparison with NaN is false; and once a loss was not finite, `finite` stays behind `iterations` for good.
  const finite = convert(lt(abs(total), 3e38), "float32");
  const soFar = where(lt(sums.finite, sums.iterations), 0, 1);
  return {
    loss: add(sums.loss, loss),
    regularizer: add(sums.regularizer, regularizer),
    correct: add(sums.correct, correct),
    iterations: add(sums.iterations, 1),
    finite: add(sums.finite, mul(finite, soFar)),
  };
}
