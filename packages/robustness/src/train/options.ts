/** @file All options of a run: those of training itself, and where those of methods, models, optimisers and schedules are found. */
import { ConfigError } from "@gradalign/tensor";
import { datasets } from "../data/index.ts";
import { methods } from "../methods/index.ts";
import { models } from "../models/index.ts";
import { optimizers, schedules } from "../optim/index.ts";
import {
  type ChoiceOption,
  type Circumstances,
  choice,
  choiceOr,
  flag,
  integer,
  integerOr,
  number,
  numberOr,
  type OptionTable,
  text,
} from "../options/option.ts";
import { GUARD_CHANGES, GUARD_MODES } from "./guard-change.ts";
import { phasesOption } from "./phases.ts";

/** What is chosen by name unless it is said. The optimiser is the recipe's. */
export const DEFAULTS = { dataset: "cifar10", model: "preact-resnet18", method: "fgsm-gradalign", schedule: "cyclic" };

/** What is trained on. */
export const datasetOption = text({
  default: DEFAULTS.dataset,
  argument: "name|folder",
  help: `${Object.keys(datasets).join(", ")}, or data of your own: FOLDER or FOLDER:size=64, of images, shards, arrays or CIFAR-10's records`,
  rule: "a non-empty name",
  accepts: (name) => name !== "",
  remedy: 'write e.g. "cifar10" or the path of a folder',
});

/** Settings of a run that belong to no method, model, optimiser or schedule. */
export const trainingOptions = {
  epsilon: number({
    least: 0,
    most: 1,
    unit: "pixel range",
    default: ({ recipe }) => recipe.epsilon,
    help: "radius of the ℓ∞ ball",
    remedy: "it is in pixel units of [0, 1], so eight levels are 8 / 255",
  }),
  epochs: integer({ least: 1, default: ({ recipe }) => recipe.epochs, help: "passes over the training images", remedy: "write e.g. 30" }),
  batchSize: integer({ least: 1, default: 128, help: "images per step", remedy: "write e.g. 128" }),
  microBatch: integerOr(undefined, {
    least: 1,
    help: "compute with so many images of a batch at a time and add up their gradients, where a whole batch does not fit into memory",
    remedy: "leave it out to compute with a batch at once",
  }),
  phases: phasesOption,
  trainSize: integerOr(null, { least: 1, help: "train on the first so many images only", remedy: "leave it out to train on all" }),
  validationSize: integerOr(undefined, {
    least: 1,
    help: "hold out the last so many training images and choose the best checkpoint by PGD accuracy on them",
    remedy: "leave it out to choose it on the first training images, as the paper does",
  }),
  labelSmoothing: numberOr(undefined, {
    least: 0,
    below: 1,
    help: "share of each label that is given to all classes alike, in the loss that is trained on but not in attacks",
    remedy: "leave it out for none",
  }),
  averaging: numberOr(undefined, {
    above: 0,
    below: 1,
    help: "share that a step leaves of the moving average of weights; the average is what is then evaluated, kept and exported",
    remedy: "write e.g. 0.999, or leave it out for the weights themselves",
  }),
  weightPerturbation: numberOr(undefined, {
    above: 0,
    below: 1,
    help: "adversarial weight perturbation (AWP): share of its norm by which every weight is moved uphill before a step's loss is taken there, with the attack anew; twice the passes",
    remedy: "write e.g. 0.005, or leave it out for none",
  }),
  guard: choiceOr(undefined, GUARD_MODES, {
    help: "whether to watch the attack while training: `warn` says when it stops finding mistakes, `rollback` then restores a state from before and goes on with a change",
  }),
  guardChange: choiceOr(undefined, GUARD_CHANGES, {
    help: "what `rollback` changes: half the attack's step, GradAlign beside the method's loss, or half as much noise again",
  }),
  seed: integer({ least: 0, default: 0, help: "decides every random choice; equal seeds give equal bits", remedy: "write e.g. 0" }),
  evalEvery: integer({ least: 1, default: ({ recipe }) => recipe.evalEvery, help: "steps between evaluations", remedy: "write e.g. 200" }),
  evalExamples: integer({ least: 1, default: 256, help: "training and test images per evaluation", remedy: "write e.g. 256" }),
};

/** How training images are changed at random, each by itself and then with each other. */
export const augmentOptions = {
  crop: integer({
    least: 0,
    unit: "pixels",
    default: ({ recipe }) => recipe.augment.crop,
    help: "padding of the random crop, 0 for none",
    remedy: "write e.g. 4, or 0 for no crop",
  }),
  flip: flag({ default: ({ recipe }) => recipe.augment.flip, help: "whether to mirror images at random" }),
  mixup: numberOr(undefined, {
    above: 0,
    most: 4,
    help: "mix the images of a batch in pairs, and their labels, in shares drawn from Beta(x, x)",
    remedy: "write e.g. 0.2, or leave it out to mix none",
  }),
  cutmix: numberOr(undefined, {
    above: 0,
    most: 4,
    help: "put a box of each image into the other of its pair, and mix their labels by area, a share drawn from Beta(x, x); with mixup in half of the batches",
    remedy: "write e.g. 1, or leave it out to mix none",
  }),
};

/** What settings choose by name, each with options of its own. */
export const registries = { model: models, method: methods, optimizer: optimizers, schedule: schedules };

const CHOICES = {
  model: { default: DEFAULTS.model, help: "the network" },
  method: { default: DEFAULTS.method, help: "the training method" },
  optimizer: { default: ({ recipe }: Circumstances) => recipe.optimizer, help: "the optimiser" },
  schedule: { default: DEFAULTS.schedule, help: "course of the learning rate" },
};

/** A kind of thing that settings choose by name. */
export type Section = keyof typeof registries;

/** The sections in the order in which settings are stored. */
export const SECTIONS = Object.keys(registries) as readonly Section[];

/** The option that chooses what a section names. */
export function choiceOf(section: Section): ChoiceOption {
  return choice(Object.keys(registries[section]), CHOICES[section]);
}

/** A method, model, optimiser or schedule as far as its declaration goes. */
export interface Declared {
  readonly id: string;
  readonly paper: string;
  readonly options: OptionTable;
}

/** What a section names; undefined if nothing has that name. */
export function declared(section: Section, name: string): Declared | undefined {
  const registry: Readonly<Record<string, Declared>> = registries[section];
  return Object.hasOwn(registry, name) ? registry[name] : undefined;
}

/**
 * The options of what a section names. Models of one's own, which `train` is given, have none.
 *
 * @throws ConfigError when there is no such method, optimiser or schedule.
 */
export function optionsOf(section: Section, name: unknown): OptionTable {
  const found = typeof name === "string" ? declared(section, name) : undefined;
  if (found) return found.options;
  if (section === "model" && typeof name === "string" && name !== "") return {};
  const own = section === "model" ? ", or your own model's name" : "";
  throw new ConfigError(`config: ${section}.name (=${JSON.stringify(name)}) must be one of ${Object.keys(registries[section]).join(", ")}${own}`);
}
