/** @file A run's settings: complete, checked, and plain JSON, so that they can be stored and compared. */
import { ConfigError } from "@gradalign/tensor";
import { datasets, isDatasetName } from "../data/index.ts";
import { configuredMethod, type MethodConfig, type MethodName, methodNamed, type PartialMethodConfig } from "../methods/index.ts";
import { carriesForEach } from "../methods/method.ts";
import type { ModelConfig } from "../models/index.ts";
import type { OptimizerConfig, ScheduleConfig } from "../optim/index.ts";
import type { Circumstances, Given } from "../options/option.ts";
import { checkOptions, checkValue, resolveOptions, shown } from "../options/resolve.ts";
import type { Augmentation } from "./batch.ts";
import { checkGuard, type GuardChange, type GuardMode } from "./guard-change.ts";
import { isMixed } from "./mixing.ts";
import { augmentOptions, DEFAULTS, datasetOption, optionsOf, SECTIONS, type Section, trainingOptions } from "./options.ts";
import { batchSizeIn, phasesOf } from "./phases.ts";
import { augmentationFor, circumstancesOf } from "./recipes.ts";

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
  /** Compute with so many images at a time and add up the gradients of a batch; all at once if left out. */
  readonly microBatch?: number;
  /** From which epoch on batches have another size, or images are others: `0:image-size=128,batch-size=512;6:image-size=224`. */
  readonly phases?: string;
  /** Train on the first so many images; null for all. */
  readonly trainSize: number | null;
  /** Hold out the last so many training images, and choose the best parameters on them; on training images, as the paper does, if left out. */
  readonly validationSize?: number;
  /** Share of each label that is given to all classes alike, in the training loss; none if left out. */
  readonly labelSmoothing?: number;
  /** Share that a step leaves of the weights' moving average, which is then what is evaluated and kept; no average if left out. */
  readonly averaging?: number;
  /** Share of its norm by which every weight is moved to where the loss is higher before a step's loss is taken there; not moved if left out. */
  readonly weightPerturbation?: number;
  /** Whether the attack is watched, and whether a collapse is undone; off if left out. */
  readonly guard?: GuardMode;
  /** What is changed after a collapse was undone; a smaller step if left out. */
  readonly guardChange?: GuardChange;
  readonly seed: number;
  readonly optimizer: OptimizerConfig;
  readonly schedule: ScheduleConfig;
  readonly augment: Augmentation;
  /** Iterations between evaluations. */
  readonly evalEvery: number;
  /** Images of each split that evaluations during training use. */
  readonly evalExamples: number;
}

/** Some of the settings, and perhaps the name: without one that of the recipe. */
type Chosen<Config> = Config extends { readonly name: string } ? Partial<Config> : never;

/** Settings a caller may leave out; the paper's recipe fills them in. */
export interface PartialTrainConfig {
  /** A name, or a data set whose name and augmentation are taken. */
  readonly dataset?: string | ({ readonly name: string } & Augmentation);
  readonly model?: string | ModelConfig;
  readonly method?: MethodName | PartialMethodConfig;
  readonly epsilon?: number;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly microBatch?: number;
  readonly phases?: string;
  readonly trainSize?: number | null;
  readonly validationSize?: number;
  readonly labelSmoothing?: number;
  readonly averaging?: number;
  readonly weightPerturbation?: number;
  readonly guard?: GuardMode;
  readonly guardChange?: GuardChange;
  readonly seed?: number;
  readonly optimizer?: Chosen<OptimizerConfig>;
  readonly schedule?: Chosen<ScheduleConfig>;
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
  checkRoot(partial);
  const { names, at } = chosenBy(partial);
  const training = resolveOptions(ROOT, trainingOptions, trainingOnly(partial), at);
  const {
    epsilon,
    epochs,
    batchSize,
    microBatch,
    phases,
    trainSize,
    validationSize,
    labelSmoothing,
    averaging,
    weightPerturbation,
    guard,
    guardChange,
    seed,
    evalEvery,
    evalExamples,
  } = training;
  const section = (kind: Section): Given => {
    const { name: _, ...options } = recordIn(partial[kind]);
    const name = names[kind];
    return { name, ...resolveOptions({ path: `config: ${kind}.`, owner: name }, optionsOf(kind, name), options, at) };
  };
  const config: Given = {
    dataset: datasetName(partial),
    model: section("model"),
    method: section("method"),
    ...{ epsilon, epochs, batchSize },
    ...(microBatch === undefined ? {} : { microBatch }),
    ...(phases === undefined ? {} : { phases }),
    trainSize,
    ...(validationSize === undefined ? {} : { validationSize }),
    ...(labelSmoothing === undefined ? {} : { labelSmoothing }),
    ...(averaging === undefined ? {} : { averaging }),
    ...(weightPerturbation === undefined ? {} : { weightPerturbation }),
    ...(guard === undefined ? {} : { guard }),
    ...(guardChange === undefined ? {} : { guardChange }),
    seed,
    optimizer: section("optimizer"),
    schedule: section("schedule"),
    augment: resolveOptions(AUGMENT, augmentOptions, partial.augment ?? {}, at),
    ...{ evalEvery, evalExamples },
  };
  checkTrainConfig(config);
  return config;
}

/**
 * What settings choose by name, and the circumstances on which defaults depend.
 *
 * @throws ConfigError when there is no such method.
 */
export function chosenBy(partial: PartialTrainConfig): { readonly names: Readonly<Record<Section, string>>; readonly at: Circumstances } {
  const { dataset, epsilon, epochs } = partial;
  const augment = typeof dataset === "object" ? { crop: dataset.crop, flip: dataset.flip } : augmentationFor(datasetName(partial));
  const nameOf = (section: Section): string | undefined => {
    const { name } = recordIn(partial[section]);
    return name === undefined ? undefined : String(name);
  };
  const { model = DEFAULTS.model, method = DEFAULTS.method } = { model: nameOf("model"), method: nameOf("method") };
  const at = circumstancesOf({ dataset: datasetName(partial), augment, model, method: methodNamed(method), epsilon, epochs });
  const { optimizer = at.recipe.optimizer, schedule = DEFAULTS.schedule } = { optimizer: nameOf("optimizer"), schedule: nameOf("schedule") };
  return { names: { model, method, optimizer, schedule }, at };
}

const ROOT = { path: "config: ", owner: "a run" };
const AUGMENT = { path: "config: augment.", owner: "the augmentation" };

function datasetName({ dataset = DEFAULTS.dataset }: PartialTrainConfig): string {
  return typeof dataset === "string" ? dataset : dataset.name;
}

/** A section's name and options, of which nothing is known yet; a name may stand for itself. */
function recordIn(given: string | Given | undefined): Given {
  return typeof given === "string" ? { name: given } : (given ?? {});
}

/** Without the settings that hold others. */
function trainingOnly(settings: object): Given {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => Object.hasOwn(trainingOptions, name)));
}

/** Refuses settings that there are not. */
function checkRoot(given: object): void {
  const known = ["dataset", ...SECTIONS, "augment", ...Object.keys(trainingOptions)];
  for (const [name, value] of Object.entries(given)) {
    if (!known.includes(name)) throw new ConfigError(`config: ${name} (=${shown(value)}) is not a setting; there are ${known.join(", ")}; leave it out`);
  }
}

/**
 * Checks that a value is complete settings, wherever it comes from.
 *
 * @throws ConfigError naming the value, its rule and a remedy.
 */
export function checkTrainConfig(config: unknown): asserts config is TrainConfig {
  if (!isRecord(config)) throw new ConfigError(`config: must be settings by name, got ${JSON.stringify(config)}`);
  checkRoot(config);
  checkValue("config: dataset", datasetOption, config["dataset"]);
  checkOptions(ROOT, trainingOptions, trainingOnly(config));
  for (const section of SECTIONS) {
    const { name, ...options } = sectionOf(section, config[section]);
    checkOptions({ path: `config: ${section}.`, owner: String(name) }, optionsOf(section, name), options);
  }
  checkOptions(AUGMENT, augmentOptions, sectionOf("augment", config["augment"]));
  checkGuard(config as unknown as TrainConfig);
  checkTogether(config as unknown as TrainConfig);
}

function isRecord(value: unknown): value is Given {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sectionOf(name: string, value: unknown): Given {
  if (!isRecord(value)) throw new ConfigError(`config: ${name} (=${JSON.stringify(value)}) must be settings by name`);
  return value;
}

/** Rules between settings, each of which is within its own. */
function checkTogether(config: TrainConfig): void {
  const { dataset, epochs, batchSize, microBatch = batchSize, trainSize, validationSize = 0, augment, guard: guarded = "off" } = config;
  const fail = (name: string, value: unknown, rule: string): never => {
    throw new ConfigError(`config: ${name} (=${value}) must be ${rule}`);
  };
  const { method, options } = configuredMethod(config.method);
  const conflict = method.conflict?.(options);
  if (conflict) fail(`method.${conflict.option}`, options[conflict.option], conflict.rule);
  const mixed = (["mixup", "cutmix"] as const).find((option) => augment[option] !== undefined);
  if (mixed && carriesForEach("examples", method)) fail(`augment.${mixed}`, augment[mixed], `left out for ${method.id}, which keeps something for every image`);
  if (batchSize % microBatch !== 0) fail("microBatch", microBatch, `a divisor of ${batchSize}, the batch size`);
  if (trainSize !== null && trainSize < batchSize) fail("trainSize", trainSize, `at least ${batchSize}, the batch size, or null for all images`);
  for (const phase of phasesOf(config)) {
    const size = batchSizeIn(phase, config);
    if (phase.from >= epochs) fail("phases", `"${config.phases}"`, `of epochs that there are; the last of ${epochs} is ${epochs - 1}, counted from 0`);
    if (size % (config.microBatch ?? size) !== 0) fail("phases", `"${config.phases}"`, `of batch sizes that microBatch (=${microBatch}) divides`);
    if (trainSize !== null && trainSize < size) fail("phases", `"${config.phases}"`, `of batch sizes up to trainSize (=${trainSize})`);
  }
  const odd = phasesOf(config)
    .map((phase) => config.microBatch ?? batchSizeIn(phase, config))
    .find((size) => size % 2 === 1);
  if (odd !== undefined && isMixed(augment))
    fail(config.microBatch === undefined ? "batchSize" : "microBatch", odd, "even with mixup or cutmix, which mix images in pairs");
  if (guarded !== "off" && config.phases !== undefined) fail("guard", guarded, "off with phases, over which no state could be restored; leave it out");
  if (!isDatasetName(dataset)) return;
  const { shape, splits } = datasets[dataset];
  const [, height, width] = shape;
  if (augment.crop >= Math.min(height, width)) fail("augment.crop", augment.crop, `less than the images' ${height} x ${width} pixels`);
  if ((trainSize ?? 0) > splits.train) fail("trainSize", trainSize, `at most ${splits.train}, the number of training images`);
  const left = splits.train - (trainSize ?? batchSize);
  if (validationSize > left) fail("validationSize", validationSize, `at most ${left}, the number of images that are not trained on`);
}
