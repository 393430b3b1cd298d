/** @file Recipes: what a data set, a model and a method are trained with unless a run says otherwise. */
import { type DatasetName, datasets, isDatasetName } from "../data/index.ts";
import { gradAlignWeight } from "../methods/gradalign.ts";
import type { Method } from "../methods/method.ts";
import type { Circumstances, Recipe } from "../options/option.ts";

/** How a data set is trained on. */
export interface DatasetRecipe {
  /** `paper`: its published scripts; `gradalign`: chosen by this project, since the paper has no such experiments. */
  readonly origin: "paper" | "gradalign";
  /** Epochs and peak learning rate of the ResNet, with SGD. */
  readonly resnet: Pick<Recipe, "epochs" | "peak">;
  /** Epochs and peak learning rate of the single-layer network, with Adam. */
  readonly cnn: Pick<Recipe, "epochs" | "peak">;
  /** Epochs over which the attack grows to its full size. */
  readonly warmupEpochs: number;
  /** Radius in pixel units. */
  readonly epsilon: number;
}

/** The recipes of data sets by name; others are trained on as CIFAR-10 is. */
export const recipes: Readonly<Record<string, DatasetRecipe>> & Readonly<Record<DatasetName, DatasetRecipe>> = {
  cifar10: { origin: "paper", resnet: { epochs: 30, peak: 0.2 }, cnn: { epochs: 30, peak: 0.003 }, warmupEpochs: 0, epsilon: 8 / 255 },
  svhn: { origin: "paper", resnet: { epochs: 15, peak: 0.05 }, cnn: { epochs: 30, peak: 0.003 }, warmupEpochs: 5, epsilon: 8 / 255 },
  // The paper has no experiments on 28 x 28 images. Digits are robust up to 0.3; of clothes, which have less contrast, 0.1 is what is common.
  mnist: { origin: "gradalign", resnet: { epochs: 10, peak: 0.1 }, cnn: { epochs: 10, peak: 0.003 }, warmupEpochs: 0, epsilon: 0.3 },
  "fashion-mnist": { origin: "gradalign", resnet: { epochs: 10, peak: 0.1 }, cnn: { epochs: 10, peak: 0.003 }, warmupEpochs: 0, epsilon: 0.1 },
};

/** The name of the recipe a data set follows: its own, or CIFAR-10's. */
function recipeName(dataset: string): string {
  return Object.hasOwn(recipes, dataset) ? dataset : "cifar10";
}

/** A data set's recipe. */
export function datasetRecipe(dataset: string): DatasetRecipe {
  return recipes[recipeName(dataset)] as DatasetRecipe;
}

/** GradAlign's weight for a radius in pixel units. */
export function lambdaSchedule(dataset: string, epsilon: number): number {
  return gradAlignWeight({ dataset: recipeName(dataset), epsilon });
}

/** The augmentation of a known data set; none for others. */
export function augmentationFor(dataset: string): Recipe["augment"] {
  return isDatasetName(dataset) ? datasets[dataset].augment : { crop: 0, flip: false };
}

/** What is chosen by name or given with the data before any option is looked at. */
export interface Chosen {
  /** Name of the data set. */
  readonly dataset: string;
  readonly augment: Recipe["augment"];
  /** Name of the model. */
  readonly model: string;
  readonly method: Pick<Method, "id" | "recipe">;
  /** Radius in pixel units; the data set's if undefined. */
  readonly epsilon: number | undefined;
  /** The recipe's if undefined. */
  readonly epochs?: number | undefined;
}

/** What defaults follow from: Adam for the single-layer network, SGD for every other, and what data set and method say. */
export function circumstancesOf({ dataset, augment, model, method, epsilon, epochs }: Chosen): Circumstances {
  const own = datasetRecipe(dataset);
  const network = model === "cnn" ? { ...own.cnn, optimizer: "adam", evalEvery: 50 } : { ...own.resnet, optimizer: "sgd", evalEvery: 200 };
  const at = { dataset: recipeName(dataset), model };
  const recipe = { ...network, ...method.recipe?.(at), epsilon: own.epsilon, warmupEpochs: own.warmupEpochs, augment };
  return { ...at, method: method.id, epsilon: epsilon ?? own.epsilon, epochs: epochs ?? recipe.epochs, recipe };
}
