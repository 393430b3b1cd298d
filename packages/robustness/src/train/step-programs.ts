/** @file Compiled training steps, of which trainings that differ in numbers only share one: a whole figure of radii, weights and seeds is compiled once. */
import { canonicalJson } from "@gradalign/formats";
import { type Compiled, type Device, jit, type Value } from "@gradalign/tensor";
import { models } from "../models/index.ts";
import type { Model } from "../models/model.ts";
import { structureOf } from "../options/traced.ts";
import type { TrainingData } from "./batch.ts";
import {
  type Accumulated,
  accumulatedUpdate,
  accumulation,
  type DataSizes,
  initialState,
  nothingAccumulated,
  type StepInputs,
  type StepOptions,
  type TrainState,
  trainingStep,
} from "./step.ts";

/** The programs of one structure. */
export interface StepProgram {
  /** Draws the state before the first iteration. */
  readonly initialize: Compiled<[key: Value], TrainState>;
  /** Of that state what the optimiser has. */
  readonly initializeOptimizer: Compiled<[key: Value], TrainState["optimizer"]>;
  /** One iteration; the state is donated. */
  readonly step: Compiled<[train: TrainState, data: TrainingData, order: Value, inputs: StepInputs], TrainState>;
  /** One iteration in micro-batches: before the first, each of them, and the update. What they add up is donated, the state to the update only. */
  readonly begin: Compiled<[train: TrainState], Accumulated>;
  readonly accumulate: Compiled<[train: TrainState, before: Accumulated, data: TrainingData, order: Value, inputs: StepInputs], Accumulated>;
  readonly update: Compiled<[train: TrainState, accumulated: Accumulated, inputs: Pick<StepInputs, "lr" | "numbers">], TrainState>;
  /** Says that one who took them needs them no more. */
  release(): void;
}

/** Programs of one device. Those that nobody needs now are kept until others are asked for. */
export interface StepPrograms {
  /** The programs of a step for data of these sizes; compiled when they are first called. */
  take(setup: StepOptions, sizes: DataSizes): StepProgram;
  /** Frees all of them. */
  dispose(): void;
}

interface Entry extends StepProgram {
  users: number;
}

/** Makes a place for the programs of several trainings on a device. */
export function stepPrograms(device: Device): StepPrograms {
  const entries = new Map<string, Entry>();
  const own: Model[] = [];
  /** Built-in models are what their name and size say; one's own are themselves. */
  const modelKey = (model: Model): unknown => {
    if (Object.hasOwn(models, model.name)) return [model.name, model.config];
    if (!own.includes(model)) own.push(model);
    return own.indexOf(model);
  };
  const keyOf = (setup: StepOptions, { image, examples }: DataSizes): string => {
    const { model, method, methodOptions, optimizer, optimizerOptions, ...sized } = setup;
    const structure = [structureOf(method.options, methodOptions), structureOf(optimizer.options, optimizerOptions)];
    return canonicalJson([modelKey(model), method.id, optimizer.id, structure, sized, image, examples]);
  };
  const free = (which: (entry: Entry) => boolean): void => {
    for (const [key, entry] of entries) {
      if (!which(entry)) continue;
      for (const program of [entry.initialize, entry.initializeOptimizer, entry.step, entry.begin, entry.accumulate, entry.update]) program.dispose();
      entries.delete(key);
    }
  };
  return {
    take(setup, sizes) {
      const key = keyOf(setup, sizes);
      let entry = entries.get(key);
      if (!entry) {
        // A program's memory is as large as a step needs.
        free(({ users }) => users === 0);
        const made: Entry = {
          initialize: jit((seed: Value) => initialState(setup, sizes, seed), { device }),
          initializeOptimizer: jit((seed: Value) => initialState(setup, sizes, seed).optimizer, { device }),
          step: jit(trainingStep(setup), { device, donate: [0] }),
          begin: jit(nothingAccumulated, { device }),
          accumulate: jit(accumulation(setup), { device, donate: [1] }),
          update: jit(accumulatedUpdate(setup), { device, donate: [0, 1] }),
          users: 0,
          release() {
            made.users--;
          },
        };
        entry = made;
        entries.set(key, made);
      }
      entry.users++;
      return entry;
    },
    dispose: () => free(() => true),
  };
}
