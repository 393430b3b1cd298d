/** @file A run's settings: complete, checked, and plain JSON, so that they can be stored and compared. */
import { ConfigError } from "@gradalign/tensor";
import { datasets, isDatasetName } from "../data/index.ts";
import { type MethodName, methodNamed } from "../methods/index.ts";
import type { MethodOptions } from "../methods/method.ts";
import { type ModelConfig, models } from "../models/index.ts";
import { type OptimizerConfig, schedules } from "../optim/index.ts";
import type { Augmentation } from "./batch.ts";
import { augmentationFor, datasetRecipe, MAX_LAMBDA, methodDefaults, recipeFor } from "./recipes.ts";

/** A method and the options it uses. */
export type MethodConfig = { readonly name: MethodName } & Partial<MethodOptions>;

/** All settings of a training run. */
export interface TrainConfig {
  /** A known data set's name (`cifar10`, `svhn`, …), or that of one's own. */
  readonly dataset: string;
  readonly model: ModelConfig;
  readonly method: MethodConfig;
  /** Radius of the l-infinity ball in pixel units, e.g. 8/255. */
  readonly epsilon: number;
  readonly epochs: number;
  readonly batchSize: number;
  /** Train on the first so many images; null for all. */
  readonly trainSize: number | null;
  /** Hold out the last so many training images, and choose the best parameters on them; on training images, as the paper does, if left out. */
  readonly validationSize?: number;
  readonly seed: number;
  readonly optimizer: OptimizerConfig;
  readonly schedule: { readonly name: "cyclic" | "piecewise"; readonly peak: number };
  readonly augment: Augmentation;
  /** Iterations between evaluations. */
  readonly evalEvery: number;
  /** Images of each split that evaluations during training use. */
  readonly evalExamples: number;
}

/** Settings a caller may leave out; the paper's recipe fills them in. */
export interface PartialTrainConfig {
  /** A name, or a data set whose name and augmentation are taken. */
  readonly dataset?: string | ({ readonly name: string } & Augmentation);
  readonly model?: string | ModelConfig;
  readonly method?: MethodName | MethodConfig;
  readonly epsilon?: number;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly trainSize?: number | null;
  readonly validationSize?: number;
  readonly seed?: number;
  readonly optimizer?: { readonly name?: "sgd" | "adam"; readonly [option: string]: string | number | undefined };
  readonly schedule?: { readonly name?: "cyclic" | "piecewise"; readonly peak?: number };
  readonly augment?: Partial<Augmentation>;
  readonly evalEvery?: number;
  readonly evalExamples?: number;
}

/**
 * Fills in the paper's recipe for the chosen data set, model and method, and checks every value.
 *
 * Defaults: CIFAR-10, PreAct ResNet-18, FGSM + GradAlign, epsilon 8/255 (or the data set's), batches of 128, seed 0, 256 evaluation images.
 * @throws ConfigError naming the value, its rule and a remedy.
 */
export function resolveTrainConfig(partial: PartialTrainConfig = {}): TrainConfig {
  checkKnown("", partial, SETTINGS);
  checkKnown("schedule.", partial.schedule, ["name", "peak"]);
  checkKnown("augment.", partial.augment, ["crop", "flip"]);
  const source = partial.dataset ?? "cifar10";
  const dataset = typeof source === "string" ? source : source.name;
  const augmentation = typeof source === "string" ? augmentationFor(source) : { crop: source.crop, flip: source.flip };
  const model = typeof partial.model === "string" ? { name: partial.model } : (partial.model ?? { name: "preact-resnet18" });
  const epsilon = partial.epsilon ?? datasetRecipe(dataset).epsilon;
  const { name, ...chosen } = typeof partial.method === "string" ? { name: partial.method } : (partial.method ?? { name: "fgsm-gradalign" as const });
  methodNamed(name);
  const recipe = recipeFor(dataset, model.name, name);
  const config: TrainConfig = {
    dataset,
    model: model.name === "cnn" ? { filters: 4, ...model } : model.name === "preact-resnet18" ? { width: 64, ...model } : model,
    method: { name, ...methodDefaults(name, dataset, epsilon, chosen), ...chosen },
    epsilon,
    epochs: partial.epochs ?? recipe.epochs,
    batchSize: partial.batchSize ?? 128,
    trainSize: partial.trainSize ?? null,
    ...(partial.validationSize === undefined ? {} : { validationSize: partial.validationSize }),
    seed: partial.seed ?? 0,
    optimizer: resolveOptimizer(partial.optimizer, recipe.optimizer),
    schedule: { name: partial.schedule?.name ?? "cyclic", peak: partial.schedule?.peak ?? recipe.peak },
    augment: { crop: partial.augment?.crop ?? augmentation.crop, flip: partial.augment?.flip ?? augmentation.flip },
    evalEvery: partial.evalEvery ?? recipe.evalEvery,
    evalExamples: partial.evalExamples ?? 256,
  };
  checkTrainConfig(config);
  return config;
}

/** Every setting by name, so that the type checker tells what is missing here. */
const SETTINGS = Object.keys({
  dataset: 0,
  model: 0,
  method: 0,
  epsilon: 0,
  epochs: 0,
  batchSize: 0,
  trainSize: 0,
  validationSize: 0,
  seed: 0,
  optimizer: 0,
  schedule: 0,
  augment: 0,
  evalEvery: 0,
  evalExamples: 0,
} satisfies Record<keyof PartialTrainConfig, 0>);

/** Refuses names that would be ignored. */
function checkKnown(prefix: string, given: object | undefined, known: readonly string[]): void {
  for (const name of Object.keys(given ?? {})) {
    if (!known.includes(name)) throw new ConfigError(`config: ${prefix}${name} is not a setting; there are ${known.map((other) => prefix + other).join(", ")}`);
  }
}

/** The method's options with neutral values for those it does not use. */
export function methodOptions({ method }: TrainConfig): MethodOptions {
  const { name: _, ...options } = method;
  return { stepSize: 1, steps: 1, start: "zero", lambda: 0, mu: 0, branches: "one", adversary: "fgsm", replays: 1, warmupEpochs: 0, ...options };
}

function resolveOptimizer(partial: PartialTrainConfig["optimizer"], recipe: OptimizerConfig): OptimizerConfig {
  const name = partial?.name ?? recipe.name;
  const defaults: OptimizerConfig =
    name === "adam"
      ? { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: recipe.weightDecay }
      : { name: "sgd", momentum: 0.9, weightDecay: recipe.weightDecay };
  for (const option of Object.keys(partial ?? {})) {
    if (!Object.hasOwn(defaults, option))
      throw new ConfigError(`config: optimizer.${option} is not an option of ${name}, which has ${Object.keys(defaults).join(", ")}`);
  }
  return { ...defaults, ...partial } as OptimizerConfig;
}

/**
 * Checks every value of complete settings, wherever they come from.
 *
 * @throws ConfigError naming the value, its rule and a remedy.
 */
export function checkTrainConfig(config: TrainConfig): void {
  const { method, optimizer, schedule } = config;
  const fail = (name: string, value: unknown, rule: string): never => {
    throw new ConfigError(`config: ${name} (=${typeof value === "number" ? value : JSON.stringify(value)}) must be ${rule}`);
  };
  const integer = (name: string, value: unknown, least: number, remedy = ""): void => {
    if (!Number.isSafeInteger(value) || (value as number) < least) fail(name, value, `an integer of at least ${least}${remedy}`);
  };
  const inRange = (name: string, value: unknown, low: number, high: number, remedy = ""): void => {
    if (typeof value !== "number" || !(value >= low && value <= high)) fail(name, value, `a number from ${low} to ${high}${remedy}`);
  };
  if (config.dataset === "") fail("dataset", config.dataset, "a non-empty name");
  inRange("epsilon", config.epsilon, 0, 1, "; it is in pixel units of [0, 1], so eight levels are 8 / 255");
  integer("epochs", config.epochs, 1);
  integer("batchSize", config.batchSize, 1);
  if (config.trainSize !== null) integer("trainSize", config.trainSize, config.batchSize, ", the batch size, or null for all images");
  if (config.validationSize !== undefined)
    integer("validationSize", config.validationSize, 1, "; leave it out to choose the best parameters on training images");
  integer("seed", config.seed, 0);
  integer("evalEvery", config.evalEvery, 1);
  integer("evalExamples", config.evalExamples, 1);
  integer("augment.crop", config.augment.crop, 0, "; it is the padding in pixels");
  if (isDatasetName(config.dataset)) {
    const { shape, splits } = datasets[config.dataset];
    const [, height, width] = shape;
    if (config.augment.crop >= Math.min(height, width)) fail("augment.crop", config.augment.crop, `less than the images' ${height} x ${width} pixels`);
    if ((config.trainSize ?? 0) > splits.train) fail("trainSize", config.trainSize, `at most ${splits.train}, the number of training images`);
    const left = splits.train - (config.trainSize ?? config.batchSize);
    if ((config.validationSize ?? 0) > left) fail("validationSize", config.validationSize, `at most ${left}, the number of images that are not trained on`);
  }
  if (typeof config.augment.flip !== "boolean") fail("augment.flip", config.augment.flip, "true or false");
  if (!Object.hasOwn(schedules, schedule.name)) fail("schedule.name", schedule.name, `one of ${Object.keys(schedules).join(", ")}`);
  inRange("schedule.peak", schedule.peak, 0, 1e3);
  if (optimizer.name !== "sgd" && optimizer.name !== "adam") fail("optimizer.name", (optimizer as { name: unknown }).name, "sgd or adam");
  inRange("optimizer.weightDecay", optimizer.weightDecay, 0, 1);
  if (optimizer.name === "sgd") inRange("optimizer.momentum", optimizer.momentum, 0, 1);
  else {
    inRange("optimizer.beta1", optimizer.beta1, 0, 0.999999);
    inRange("optimizer.beta2", optimizer.beta2, 0, 0.999999);
    inRange("optimizer.epsilon", optimizer.epsilon, 0, 1);
  }
  checkMethod(method, integer, inRange, fail);
  // Names that are not built in belong to the caller's own models, which train takes as an option.
  if (config.model.name === "") fail("model.name", config.model.name, `one of ${Object.keys(models).join(", ")}, or your own model's name`);
  if (config.model.filters !== undefined) integer("model.filters", config.model.filters, 1);
  if (config.model.width !== undefined) integer("model.width", config.model.width, 1);
}

function checkMethod(
  { name, ...options }: MethodConfig,
  integer: (name: string, value: unknown, least: number) => void,
  inRange: (name: string, value: unknown, low: number, high: number, remedy?: string) => void,
  fail: (name: string, value: unknown, rule: string) => never,
): void {
  const { defaults, warmup, lambda: weight } = methodNamed(name);
  const used = [...Object.keys(defaults), ...(weight ? ["lambda"] : []), ...(warmup === "none" ? [] : ["warmupEpochs"])];
  for (const option of Object.keys(options)) {
    if (!used.includes(option)) throw new ConfigError(`config: method.${option} is not an option of ${name}, which has ${used.join(", ") || "none"}`);
  }
  const { stepSize, steps, start, lambda, mu, branches, adversary, replays, warmupEpochs } = options;
  if (stepSize !== undefined) inRange("method.stepSize", stepSize, 0, 100, "; it is a multiple of epsilon");
  if (steps !== undefined) integer("method.steps", steps, 1);
  if (start !== undefined && start !== "zero" && start !== "random") fail("method.start", start, "zero or random");
  if (lambda !== undefined) inRange("method.lambda", lambda, 0, MAX_LAMBDA);
  if (mu !== undefined) inRange("method.mu", mu, 0, 1e6);
  if (adversary !== undefined && adversary !== "fgsm" && adversary !== "none") fail("method.adversary", adversary, "fgsm or none");
  if (branches !== undefined && branches !== "one" && branches !== "both") fail("method.branches", branches, "one or both");
  if (replays !== undefined) integer("method.replays", replays, 1);
  if (warmupEpochs !== undefined) inRange("method.warmupEpochs", warmupEpochs, 0, 1e6);
}
