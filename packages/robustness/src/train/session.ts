/** @file A training run's programs and device memory: advance by one iteration, read the sums, copy the state out. */

import type { StoredTensor } from "@gradalign/formats";
import {
  type Compiled,
  type Computed,
  type Concrete,
  DataError,
  type Device,
  type KernelTime,
  type ProgramStats,
  Tensor,
  tensor,
  treeLeaves,
  UnsupportedError,
} from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import { isResident } from "../data/source.ts";
import { keyFor } from "../keys.ts";
import type { Model } from "../models/model.ts";
import { createSchedule } from "../optim/index.ts";
import type { TrainingData } from "./batch.ts";
import { DEFAULT_WORKERS, type Place, trainingBatches } from "./batches.ts";
import { checkCarried } from "./carried.ts";
import type { TrainConfig } from "./config.ts";
import { changedNumbers } from "./guard-change.ts";
import { drawnMixture, isMixed } from "./mixing.ts";
import { type Part, timetableOf } from "./phases.ts";
import { loopOptions, stepNumbers, stepOptions } from "./setup.ts";
import { restoreTree } from "./snapshot.ts";
import { initialState, isWatched, type MetricSums, noSums, type StepInputs, type TrainState } from "./step.ts";
import { type StepProgram, type StepPrograms, stepPrograms } from "./step-programs.ts";
import { type AttackSigns, attackSigns } from "./watched.ts";

/** How many of a data set's training images a run trains on. */
export function trainingSize({ trainSize, validationSize = 0 }: Pick<TrainConfig, "trainSize" | "validationSize">, images: number): number {
  return trainSize ?? images - validationSize;
}

/** Sums on the host. */
export type HostSums = Readonly<Record<keyof MetricSums, number>>;

type BatchArguments = [data: TrainingData, order: Tensor, inputs: Concrete<StepInputs>];

/** Calls a program, or profiles it. */
type Call = <Arguments extends readonly unknown[], Result>(
  program: Compiled<Arguments, Result>,
  ...args: { [K in keyof Arguments]: Concrete<Arguments[K]> }
) => Computed<Result>;

const plainCall: Call = (program, ...args) => program(...args);

/** A run in progress, or one of its phases. */
export interface Session {
  readonly iterationsPerEpoch: number;
  /** Where it ends: iterations of the run, those of the phases before among them. */
  readonly iterations: number;
  /** The state after the last iteration; replaced by the next one. */
  readonly current: Computed<TrainState>;
  /** Draws the initial parameters and moves the batch-norm statistics by one batch without an update, as the paper's code does. */
  initialize(): void;
  /** Takes up a stored state. */
  restore(tensors: ReadonlyMap<string, StoredTensor>): void;
  /** Waits until the images of iteration `index` are read, or with `null` those of `initialize`; there is nothing to wait for where all are in memory. */
  ready(index: number | null): Promise<void>;
  /** Runs iteration `index` (from 0). Throws DataError where images are streamed and it was not waited for them. */
  step(index: number): void;
  /** Runs iteration `index` with every kernel timed, in order, on one thread. Throws UnsupportedError where kernels cannot be timed. */
  profile(index: number): Promise<KernelTime[]>;
  /** Learning rate of iteration `index`. */
  learningRate(index: number): number;
  readSums(): Promise<HostSums>;
  clearSums(): void;
  /** What the last steps tell of their attack; nothing where no guard watches. */
  readSigns(): Promise<Partial<AttackSigns>>;
  /** Goes on as a guard has it after so many alarms. */
  change(alarms: number): void;
  /** Steps skipped because gradients overflowed; null where losses are not scaled. */
  readSkipped(): Promise<number | null>;
  /** What the step's program cost to compile and needs to run; null before it ran. */
  stats(): ProgramStats | null;
  /** Frees everything but parameters and statistics; with `model` these too. */
  dispose(what?: { readonly model: boolean }): void;
  /** Frees everything but the state, which goes on in the session of the next phase. */
  leave(): Computed<TrainState>;
  /** Takes up the state of the phase before. What the method carries from batch to batch begins anew. */
  adopt(state: Computed<TrainState>): void;
}

/** What a session may share with others, and how it reads images. */
export interface SessionOptions {
  /** Compiled steps of the device; of this session alone unless set. */
  readonly programs?: StepPrograms | undefined;
  /** Threads that read and decode streamed images; 2 unless set. The bits are the same with any number. */
  readonly workers?: number | undefined;
  /** The part of the run that the session is for; all of it unless set. */
  readonly part?: Part | undefined;
}

/**
 * Uploads the data, or begins to read them, and prepares the programs.
 *
 * @throws DataError when there are fewer training images than a batch takes; ConfigError for a method that cannot be computed in micro-batches, or
 * keeps something for every image where images are moved before it sees them.
 */
export function createSession(
  model: Model,
  config: TrainConfig,
  dataset: ImageDataset,
  device: Device,
  { programs: shared, workers = DEFAULT_WORKERS, part: own }: SessionOptions = {},
): Session {
  const { batchSize, seed, epochs } = config;
  const { replays, warmupEpochs } = loopOptions(config);
  let setup = stepOptions(config, model, device, { streamed: !isResident(dataset.train), classes: dataset.classNames.length });
  const available = dataset.train.count - (config.validationSize ?? 0);
  const size = trainingSize(config, dataset.train.count);
  if (size > available) {
    const held = config.validationSize === undefined ? "" : ` less the ${config.validationSize} held out`;
    throw new DataError(`train: trainSize (=${size}) must be at most ${available}, the number of training images${held}`);
  }
  checkCarried(config, setup, dataset);
  if (size < batchSize) throw new DataError(`train: batchSize (=${batchSize}) must be at most ${size}, the number of training images`);
  const { phases: _, ...whole } = config;
  const { firstEpoch, endEpoch, firstIteration, endIteration, firstBatch, iterationsPerEpoch: perEpoch } = own ?? timetableOf(whole, [size]).partOf(0);
  const warmupIterations = Math.floor((warmupEpochs * size) / batchSize);
  const schedule = createSchedule(config.schedule, epochs);
  /** Epoch and place in it, both from 0. */
  const timeOf = (index: number): [epoch: number, i: number] => {
    const since = index - firstIteration;
    return [firstEpoch + Math.floor(since / perEpoch), since % perEpoch];
  };
  const learningRate = (index: number): number => {
    const [epoch, i] = timeOf(index);
    return schedule(epoch + (i + 1) / perEpoch);
  };

  // Free replays a batch: same images, same augmentation.
  const placeOf = (epoch: number, i: number): Place => ({ epoch, position: (i - (i % replays)) * batchSize });
  const after = ({ epoch, position }: Place): Place | null => {
    const next = position / batchSize + replays;
    // Of epoch 0 one batch is taken, which only initialises the statistics.
    if (epoch > 0 && next < perEpoch) return placeOf(epoch, next);
    return epoch < endEpoch ? placeOf(epoch + 1, 0) : null;
  };
  const batches = trainingBatches(dataset, { seed, examples: size, size: batchSize, part: setup.batchSize, after, workers });
  const numbersOf = (alarms: number) => changedNumbers(config, stepNumbers(config), alarms);
  let numbers = uploaded(numbersOf(0).numbers);
  const sizes = { image: dataset.shape, examples: size };
  const programs = shared ?? stepPrograms(device);
  const { cadence } = setup.method;
  const { every = 1, between } = cadence?.(setup.methodOptions) ?? {};
  /** Of the iterations on which the method is computed with its options, and of those between. */
  const taken = (): { at(index: number): StepProgram; release(): void } => {
    const main = programs.take(setup, sizes);
    const others = every > 1 ? programs.take({ ...setup, methodOptions: { ...setup.methodOptions, ...between } }, sizes) : main;
    return {
      at: (index) => (index % every === 0 ? main : others),
      release() {
        main.release();
        if (others !== main) others.release();
      },
    };
  };
  let program = taken();
  let current: Computed<TrainState> | null = null;

  const argumentsOf = (epoch: number, i: number, index: number, lr: number, part: number): BatchArguments => {
    const place = placeOf(epoch, i);
    const { data, order, position } = batches.at(place, part);
    const batch = (epoch === 0 ? 0 : firstBatch + (epoch - 1 - firstEpoch) * perEpoch) + place.position / batchSize;
    const inputs = {
      position,
      ...(setup.parts > 1 ? { part: Int32Array.of(part * setup.batchSize) } : {}),
      augmentKey: Int32Array.from(keyFor(seed, "augment", batch)),
      attackKey: Int32Array.from(keyFor(seed, "attack", index, part)),
      ...(isMixed(config.augment) ? { mixture: drawnMixture(config.augment, keyFor(seed, "mixing", batch), dataset.shape) } : {}),
      lr,
      // The iteration that only initialised the statistics counts in the paper's code, so the first update has one step's share.
      ramp: warmupIterations > 0 ? Math.min(1, (epoch === 0 ? 0 : index + 1) / warmupIterations) : 1,
      ...(setup.method.usesEpoch ? { epoch: Math.max(0, epoch - 1) } : {}),
      numbers,
    };
    return [data, order, inputs];
  };
  /** Goes one iteration on; epoch 0 is the one that only initialises the statistics. */
  const advance = (epoch: number, i: number, index: number, lr: number, call: Call): void => {
    const { step, begin, accumulate, update } = program.at(index);
    const part = (k: number): BatchArguments => argumentsOf(epoch, i, index, lr, k);
    if (setup.parts === 1) {
      current = call(step, state(), ...part(0));
      return;
    }
    let accumulated = call(begin, state());
    for (let k = 0; k < setup.parts; k++) accumulated = call(accumulate, state(), accumulated, ...part(k));
    current = call(update, state(), accumulated, { lr, numbers });
  };
  const within = (index: number): [epoch: number, i: number] => {
    const [epoch, i] = timeOf(index);
    return [1 + epoch, i];
  };
  const state = (): Computed<TrainState> => {
    if (!current) throw new DataError("train: the session has no state yet; initialize or restore it first");
    return current;
  };

  const dispose = (): void => {
    batches.dispose();
    disposeTree(numbers);
    program.release();
    if (!shared) programs.dispose();
  };
  return {
    iterationsPerEpoch: perEpoch,
    iterations: endIteration,
    learningRate,
    get current() {
      return state();
    },
    initialize() {
      const key = Int32Array.from(keyFor(seed, "model"));
      current = program.at(0).initialize(key);
      advance(0, 0, 0, 0, plainCall);
      // With learning rate 0 only statistics, what the method carries and the sums have moved; the optimiser starts afresh.
      const { optimizer, ...moved } = state();
      disposeTree(optimizer);
      current = { ...moved, optimizer: program.at(0).initializeOptimizer(key) };
    },
    restore(tensors) {
      const template = initialState(setup, sizes, tensor(new Int32Array(2)));
      const restored = restoreTree(template, tensors);
      if (current) disposeTree(current);
      current = restored;
    },
    ready: (index) => batches.ready(index === null ? placeOf(0, 0) : placeOf(...within(index))),
    step(index) {
      advance(...within(index), index, learningRate(index), plainCall);
    },
    async profile(index) {
      const times: Promise<KernelTime[]>[] = [];
      advance(...within(index), index, learningRate(index), (program, ...args) => {
        const profiled = program.profile(...args);
        if (!profiled) throw new UnsupportedError(`profile: the ${device.backend} backend cannot time its kernels`);
        times.push(profiled.times);
        return profiled.result;
      });
      return (await Promise.all(times)).flat();
    },
    async readSums() {
      const entries = Object.entries(state().sums).map(async ([name, value]) => [name, (await value.read())[0]] as const);
      return Object.fromEntries(await Promise.all(entries)) as HostSums;
    },
    async readSigns() {
      const { watched } = state();
      if (!isWatched(watched)) return {};
      const entries = Object.entries(watched).map(async ([name, value]) => [name, (await value.read())[0]] as const);
      return attackSigns(Object.fromEntries(await Promise.all(entries)) as Parameters<typeof attackSigns>[0]);
    },
    change(alarms) {
      const changed = numbersOf(alarms);
      disposeTree(numbers);
      numbers = uploaded(changed.numbers);
      if (changed.addGradAlign === setup.addGradAlign) return;
      setup = { ...setup, addGradAlign: changed.addGradAlign };
      program.release();
      program = taken();
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
    stats: () => (setup.parts === 1 ? program.at(0).step : program.at(0).accumulate).stats(),
    dispose({ model: whole } = { model: false }) {
      if (current) {
        const { params, state: statistics, ...rest } = current;
        disposeTree(whole ? current : rest);
      }
      dispose();
    },
    leave() {
      const left = state();
      current = null;
      dispose();
      return left;
    },
    adopt({ carry, ...goesOn }) {
      disposeTree(carry);
      if (!setup.method.carries) {
        current = { ...goesOn, carry: {} };
        return;
      }
      const { carry: begun, ...unused } = program.at(0).initialize(Int32Array.from(keyFor(seed, "model")));
      disposeTree(unused);
      current = { ...goesOn, carry: begun };
    },
  };
}

/** Numbers that every step takes, each in memory once. */
function uploaded({ epsilon, method, optimizer, addedGradAlign }: ReturnType<typeof changedNumbers>["numbers"]) {
  const each = (values: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, tensor(value)]));
  return {
    epsilon: tensor(epsilon),
    method: each(method),
    optimizer: each(optimizer),
    ...(addedGradAlign === undefined ? {} : { addedGradAlign: tensor(addedGradAlign) }),
  };
}

function disposeTree(tree: object): void {
  for (const leaf of treeLeaves<unknown>(tree)) if (leaf instanceof Tensor) leaf.dispose();
}
