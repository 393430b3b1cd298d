/** @file The paper's training recipes (its published scripts), per data set, model and method. */

import { type MethodName, methodNamed } from "../methods/index.ts";
import { lambdaSchedule } from "../methods/lambda-schedule.ts";
import type { MethodOptions } from "../methods/method.ts";
import type { OptimizerConfig } from "../optim/index.ts";
import type { Augmentation } from "./batch.ts";

/** What a recipe fixes. */
export interface Recipe {
  readonly epochs: number;
  readonly peak: number;
  readonly optimizer: OptimizerConfig;
  readonly evalEvery: number;
}

/** L2 regularisation of every parameter, in all of the paper's runs. */
const WEIGHT_DECAY = 5e-4;

/** Adam for the single-layer network; SGD with a learning rate that depends on data set and method for the ResNet. */
export function recipeFor(dataset: string, model: string, method: MethodName): Recipe {
  if (model === "cnn") {
    const optimizer = { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: WEIGHT_DECAY } as const;
    return { epochs: 30, peak: 0.003, optimizer, evalEvery: 50 };
  }
  const optimizer = { name: "sgd", momentum: 0.9, weightDecay: WEIGHT_DECAY } as const;
  if (dataset === "svhn") return { epochs: method === "free" ? 45 : 15, peak: method === "free" ? 0.01 : 0.05, optimizer, evalEvery: 200 };
  if (method === "free") return { epochs: 96, peak: 0.04, optimizer, evalEvery: 200 };
  return { epochs: 30, peak: method === "fgsm-gradalign" ? 0.3 : 0.2, optimizer, evalEvery: 200 };
}

/** The augmentation the paper uses for its data sets; none for others. */
export function augmentationFor(dataset: string): Augmentation {
  if (dataset === "cifar10") return { crop: 4, flip: true };
  return { crop: dataset === "svhn" ? 4 : 0, flip: false };
}

/** Defaults of the options a method uses, given those already chosen. */
export function methodDefaults(name: MethodName, dataset: string, epsilon: number, chosen: Partial<MethodOptions>): Partial<MethodOptions> {
  const { defaults, warmup } = methodNamed(name);
  const options: { -readonly [K in keyof MethodOptions]?: MethodOptions[K] } = { ...defaults };
  // Rounded, so that the settings read 0.2 at 8/255.
  if (defaults.branches !== undefined) options.lambda = Number(lambdaSchedule(dataset, epsilon).toPrecision(12));
  // The paper's steps: epsilon / 2 for PGD-2, epsilon / 5 for PGD-10.
  if (defaults.steps !== undefined && chosen.steps !== undefined) options.stepSize = chosen.steps <= 2 ? 1 / chosen.steps : 2 / chosen.steps;
  if (warmup !== "none") options.warmupEpochs = dataset === "svhn" ? 5 : 0;
  return options;
}
