/** @file Recipes: what a data set, a model and a method are trained with unless a run says otherwise. */
import { ConfigError } from "@gradalign/tensor";
import { cifar10 } from "../data/cifar10.ts";
import type { DatasetRecipe } from "../data/definition.ts";
import { datasets, isDatasetName } from "../data/index.ts";
import { type MethodName, methodNamed } from "../methods/index.ts";
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

/** A data set's recipe; data sets that are not known have CIFAR-10's. */
export function datasetRecipe(dataset: string): DatasetRecipe {
  return (isDatasetName(dataset) ? datasets[dataset] : cifar10).recipe;
}

/**
 * The weight of GradAlign's regulariser for a radius in pixel units. In the paper's scripts it is log-linear in epsilon; above
 * 16/255 the formula grows on, and the paper does not say what it used there.
 */
export function lambdaSchedule(dataset: string, epsilon: number): number {
  return datasetRecipe(dataset).gradAlignLambda(epsilon);
}

/** Adam for the single-layer network; SGD with a learning rate that depends on data set and method for the ResNet. */
export function recipeFor(dataset: string, model: string, method: MethodName): Recipe {
  const { cnn, resnet, resnetFor } = datasetRecipe(dataset);
  if (model === "cnn") {
    const optimizer = { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: WEIGHT_DECAY } as const;
    return { ...cnn, optimizer, evalEvery: 50 };
  }
  const optimizer = { name: "sgd", momentum: 0.9, weightDecay: WEIGHT_DECAY } as const;
  return { ...resnet, ...resnetFor?.[method], optimizer, evalEvery: 200 };
}

/** The augmentation of a known data set; none for others. */
export function augmentationFor(dataset: string): Augmentation {
  return isDatasetName(dataset) ? datasets[dataset].augment : { crop: 0, flip: false };
}

/** The largest weight of a regulariser. */
export const MAX_LAMBDA = 1e6;

/**
 * Defaults of the options a method uses, given those already chosen.
 *
 * @throws ConfigError when the radius is so large that the formula for a weight that was not chosen gives none that can be used.
 */
export function methodDefaults(name: MethodName, dataset: string, epsilon: number, chosen: Partial<MethodOptions>): Partial<MethodOptions> {
  const { defaults, warmup, lambda } = methodNamed(name);
  const recipe = datasetRecipe(dataset);
  const options: { -readonly [K in keyof MethodOptions]?: MethodOptions[K] } = { ...defaults };
  // Rounded, so that the settings read 0.2 at 8/255.
  if (lambda) options.lambda = chosen.lambda ?? Number(lambda(epsilon, recipe).toPrecision(12));
  // Radii beyond 1 are refused for what they are.
  if (chosen.lambda === undefined && (options.lambda ?? 0) > MAX_LAMBDA && epsilon <= 1) {
    throw new ConfigError(
      `config: epsilon (=${Number((epsilon * 255).toFixed(4))}/255) must be smaller for ${name}: the formula for its regulariser's weight, made for the paper's ` +
        "radii of up to 16/255, gives no usable value there; choose a smaller radius, set the weight yourself, or take a method without a regulariser, e.g. fgsm",
    );
  }
  // The paper's steps: epsilon / 2 for PGD-2, epsilon / 5 for PGD-10.
  if (defaults.steps !== undefined && chosen.steps !== undefined) options.stepSize = chosen.steps <= 2 ? 1 / chosen.steps : 2 / chosen.steps;
  if (warmup !== "none") options.warmupEpochs = recipe.warmupEpochs;
  return options;
}
