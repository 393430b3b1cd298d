/** @file A training run's programs and device memory: advance by one iteration, read the sums, copy the state out. */

import type { StoredTensor } from "@gradalign/formats";
import {
  type Computed,
  type Concrete,
  DataError,
  type Device,
  type KernelTime,
  type ProgramStats,
  permutation,
  Tensor,
  tensor,
  treeLeaves,
  UnsupportedError,
} from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import { keyFor } from "../keys.ts";
import type { Model } from "../models/model.ts";
import { schedules } from "../optim/index.ts";
import type { TrainingData } from "./batch.ts";
import type { TrainConfig } from "./config.ts";
import { loopOptions, stepNumbers, stepOptions } from "./setup.ts";
import { restoreTree } from "./snapshot.ts";
import { initialState, type MetricSums, noSums, type StepInputs, type TrainState } from "./step.ts";
import { type StepPrograms, stepPrograms } from "./step-programs.ts";

/** How many of a data set's training images a run trains on. */
export function trainingSize({ trainSize, validationSize = 0 }: Pick<TrainConfig, "trainSize" | "validationSize">, images: number): number {
  return trainSize ?? images - validationSize;
}

/** Sums on the host. */
export type HostSums = Readonly<Record<keyof MetricSums, number>>;

type StepArguments = [train: TrainState, data: TrainingData, order: Tensor, inputs: Concrete<StepInputs>];

/** A run in progress. */
export interface Session {
  readonly iterationsPerEpoch: number;
  readonly iterations: number;
  /** The state after the last iteration; replaced by the next one. */
  readonly current: Computed<TrainState>;
  /** Draws the initial parameters and moves the batch-norm statistics by one batch without an update, as the paper's code does. */
  initialize(): void;
  /** Takes up a stored state. */
  restore(tensors: ReadonlyMap<string, StoredTensor>): void;
  /** Runs iteration `index` (from 0). */
  step(index: number): void;
  /** Runs iteration `index` with every kernel timed, in order, on one thread. Throws UnsupportedError where kernels cannot be timed. */
  profile(index: number): Promise<KernelTime[]>;
  /** Learning rate of iteration `index`. */
  learningRate(index: number): number;
  readSums(): Promise<HostSums>;
  clearSums(): void;
  /** Steps skipped because gradients overflowed; null where losses are not scaled. */
  readSkipped(): Promise<number | null>;
  /** What the step's program cost to compile and needs to run; null before it ran. */
  stats(): ProgramStats | null;
  /** Frees everything but parameters and statistics; with `model` these too. */
  dispose(what?: { readonly model: boolean }): void;
}

/**
 * Uploads the data and prepares the programs, or takes those that `shared` has.
 *
 * @throws DataError when there are fewer training images than a batch takes.
 */
export function createSession(model: Model, config: TrainConfig, dataset: ImageDataset, device: Device, shared?: StepPrograms): Session {
  const { batchSize, seed, epochs } = config;
  const { replays, warmupEpochs } = loopOptions(config);
  const setup = stepOptions(config, model, device);
  const available = dataset.train.count - (config.validationSize ?? 0);
  const size = trainingSize(config, dataset.train.count);
  if (size > available) {
    const held = config.validationSize === undefined ? "" : ` less the ${config.validationSize} held out`;
    throw new DataError(`train: trainSize (=${size}) must be at most ${available}, the number of training images${held}`);
  }
  if (size < batchSize) throw new DataError(`train: batchSize (=${batchSize}) must be at most ${size}, the number of training images`);
  const perEpoch = Math.floor(size / batchSize);
  const warmupIterations = Math.floor((warmupEpochs * size) / batchSize);
  const schedule = schedules[config.schedule.name].create(config.schedule, epochs);
  const learningRate = (index: number): number => schedule(Math.floor(index / perEpoch) + ((index % perEpoch) + 1) / perEpoch);

  const pixels = dataset.shape.reduce((product, extent) => product * extent, 1);
  const data = {
    images: tensor(dataset.train.images.subarray(0, size * pixels), [size, ...dataset.shape]),
    labels: tensor(dataset.train.labels.subarray(0, size)),
  };
  const numbers = uploaded(stepNumbers(config));
  const sizes = { image: dataset.shape, examples: size };
  const programs = shared ?? stepPrograms(device);
  const { initialize, step, release } = programs.take(setup, sizes);
  const order = epochOrder(seed, size);
  let current: Computed<TrainState> | null = null;

  const argumentsOf = (epoch: number, i: number, index: number, lr: number): StepArguments => {
    // Free replays a batch: same images, same augmentation.
    const replayed = i - (i % replays);
    const inputs = {
      position: Int32Array.of(replayed * batchSize),
      augmentKey: Int32Array.from(keyFor(seed, "augment", epoch * perEpoch + replayed)),
      attackKey: Int32Array.from(keyFor(seed, "attack", index)),
      lr,
      // The iteration that only initialised the statistics counts in the paper's code, so the first update has one step's share.
      ramp: warmupIterations > 0 ? Math.min(1, (epoch === 0 ? 0 : index + 1) / warmupIterations) : 1,
      ...(setup.method.usesEpoch ? { epoch: Math.max(0, epoch - 1) } : {}),
      numbers,
    };
    return [state(), data, order.of(epoch), inputs];
  };
  // Epoch 0 is the one that only initialised the statistics.
  const iteration = (index: number): StepArguments => argumentsOf(1 + Math.floor(index / perEpoch), index % perEpoch, index, learningRate(index));
  const state = (): Computed<TrainState> => {
    if (!current) throw new DataError("train: the session has no state yet; initialize or restore it first");
    return current;
  };

  return {
    iterationsPerEpoch: perEpoch,
    iterations: epochs * perEpoch,
    learningRate,
    get current() {
      return state();
    },
    initialize() {
      const fresh = initialize(Int32Array.from(keyFor(seed, "model")));
      const again = initialize(Int32Array.from(keyFor(seed, "model")));
      current = fresh;
      current = step(...argumentsOf(0, 0, 0, 0));
      // With learning rate 0 only statistics, what the method carries and the sums have moved; the optimiser starts afresh.
      const { optimizer, ...moved } = state();
      const { optimizer: first, ...unused } = again;
      current = { ...moved, optimizer: first };
      disposeTree({ optimizer, unused });
    },
    restore(tensors) {
      const template = initialState(setup, sizes, tensor(new Int32Array(2)));
      current = restoreTree(template, tensors);
    },
    step(index) {
      current = step(...iteration(index));
    },
    async profile(index) {
      const profiled = step.profile(...iteration(index));
      if (!profiled) throw new UnsupportedError(`profile: the ${device.backend} backend cannot time its kernels`);
      current = profiled.result;
      return profiled.times;
    },
    async readSums() {
      const entries = Object.entries(state().sums).map(async ([name, value]) => [name, (await value.read())[0]] as const);
      return Object.fromEntries(await Promise.all(entries)) as HostSums;
    },
    async readSkipped() {
      const { skipped } = state().scaling;
      return skipped ? ((await skipped.read())[0] as number) : null;
    },
    clearSums() {
      const { sums, ...rest } = state();
      disposeTree(sums);
      const zero = Object.fromEntries(Object.keys(noSums()).map((name) => [name, tensor(0)])) as Record<keyof MetricSums, Tensor>;
      current = { ...rest, sums: zero };
    },
    stats: () => step.stats(),
    dispose({ model: whole } = { model: false }) {
      if (current) {
        const { params, state: statistics, ...rest } = current;
        disposeTree(whole ? current : rest);
      }
      disposeTree(data);
      disposeTree(numbers);
      order.dispose();
      release();
      if (!shared) programs.dispose();
    },
  };
}

/** Numbers that every step takes, each in memory once. */
function uploaded({ epsilon, method, optimizer }: ReturnType<typeof stepNumbers>) {
  const each = (values: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, tensor(value)]));
  return { epsilon: tensor(epsilon), method: each(method), optimizer: each(optimizer) };
}

/** The order of examples of an epoch, kept on the device while the epoch lasts. */
function epochOrder(seed: number, size: number): { of(epoch: number): Tensor; dispose(): void } {
  let held: { epoch: number; order: Tensor } | null = null;
  return {
    of(epoch) {
      if (held?.epoch === epoch) return held.order;
      held?.order.dispose();
      const order = tensor(permutation(keyFor(seed, "order", epoch), size));
      held = { epoch, order };
      return order;
    },
    dispose() {
      held?.order.dispose();
    },
  };
}

function disposeTree(tree: object): void {
  for (const leaf of treeLeaves<unknown>(tree)) if (leaf instanceof Tensor) leaf.dispose();
}
