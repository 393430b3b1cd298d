/**
 * @file Every setting of a training run, once: its flag, its key in a config file, its rule and what to do when it is broken.
 *
 * Flags and config files share names (`--batch-size 128` is `batch-size: 128`) and units (`epsilon` in steps of 1/255). What a
 * setting means to training, and its default, is the library's business; here only its form is checked.
 */

import { ATTACK_NAMES, attackPlan, datasets, methods } from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import { z } from "zod";
import { levelsRemedy, readLevels } from "./levels.ts";

/** One setting. `Value` is its type after checking. */
export interface Setting<Value = unknown> {
  /** Placeholder in the help text. */
  readonly argument: string;
  readonly help: string;
  readonly kind: "number" | "text";
  readonly schema: z.ZodType<Value>;
  /** Completes "must be …". */
  readonly rule: string;
  /** What to write instead, of some settings depending on what was written. */
  readonly remedy: string | ((value: unknown) => string);
}

const integer = (least: number, help: string, remedy: string): Setting<number> => ({
  argument: "<n>",
  help,
  kind: "number",
  schema: z.int().min(least),
  rule: `an integer of at least ${least}`,
  remedy,
});

const real = (help: string, rule: string, schema: z.ZodType<number>, remedy: string, argument = "<x>"): Setting<number> => ({
  argument,
  help,
  kind: "number",
  schema,
  rule,
  remedy,
});

/** A length in pixel space; its value is in steps of 1/255. */
const levels = (help: string): Setting<number> => ({
  argument: "<n>",
  help,
  kind: "number",
  schema: z.preprocess(readLevels, z.number().min(0).max(255)),
  rule: "0 or a number from 1 to 255, in steps of 1/255",
  remedy: levelsRemedy,
});

const choice = <const Names extends readonly [string, ...string[]]>(names: Names, help: string): Setting<Names[number]> => ({
  argument: `<${names.join("|")}>`,
  help,
  kind: "text",
  schema: z.enum(names),
  rule: `one of ${names.join(", ")}`,
  remedy: "choose one of them",
});

const name = (help: string, remedy: string, argument = "<name>"): Setting<string> => ({
  argument,
  help,
  kind: "text",
  schema: z.string().min(1),
  rule: "a name",
  remedy,
});

/** Settings that decide the result; they are stored with the run. */
export const TRAINING_SETTINGS = {
  dataset: name(
    `${Object.keys(datasets).join(", ")}, or a folder of your own images in CIFAR-10's binary format: train*.bin or data_batch*.bin, and test*.bin`,
    'write e.g. "cifar10" or the path of a folder',
    "<name|folder>",
  ),
  model: name("cnn or preact-resnet18", 'write "cnn" or "preact-resnet18"'),
  filters: integer(1, "filters of the cnn", "leave it out for 4"),
  width: integer(1, "channels of preact-resnet18's first stage", "leave it out for 64"),
  method: name(`one of ${Object.keys(methods).join(", ")}`, 'write the name of a method, e.g. "fgsm-gradalign"'),
  epsilon: levels("radius of the l-infinity ball in steps of 1/255: 8 means 8/255, which may be written too"),
  epochs: integer(1, "passes over the training images", "write e.g. 30"),
  seed: integer(0, "decides every random choice; equal seeds give equal bits", "write e.g. 0"),
  lr: real("peak learning rate of the schedule", "a number above 0", z.number().positive(), "leave it out for the paper's"),
  lambda: real("weight of the regulariser", "a number of at least 0", z.number().min(0), "leave it out for the method's default at this epsilon"),
  mu: real("weight of llr's second term", "a number of at least 0", z.number().min(0), "leave it out for 3"),
  stepSize: real(
    "the attack's step as a multiple of epsilon (the paper's alpha / epsilon)",
    "a number above 0, as a multiple of epsilon",
    z.number().positive(),
    "write 1 for a step of epsilon, 1.25 for the paper's FGSM-RS",
  ),
  steps: integer(1, "steps of the pgd methods", "write e.g. 10"),
  start: choice(["zero", "random"], "where the pgd methods start in the ball"),
  branches: choice(["one", "both"], "input gradients that the derivative of GradAlign's or cure's regulariser passes through"),
  adversary: choice(["fgsm", "none"], "what cure and grad-norm train on beside their regulariser: fgsm's images, or clean ones"),
  replays: integer(1, "how often free repeats each batch (m)", "write e.g. 8"),
  warmupEpochs: real("epochs over which the attack grows to its full size", "a number of at least 0", z.number().min(0), "write 0 for none", "<n>"),
  optimizer: choice(["sgd", "adam"], "sgd (the ResNet's) or adam (the cnn's)"),
  momentum: real("momentum of sgd", "a number from 0 to below 1", z.number().min(0).lt(1), "write e.g. 0.9"),
  weightDecay: real("weight decay (L2) of the optimizer", "a number of at least 0", z.number().min(0), "write e.g. 5e-4"),
  schedule: choice(["cyclic", "piecewise"], "course of the learning rate"),
  batchSize: integer(1, "images per step", "write e.g. 128"),
  trainSize: integer(1, "train on the first so many images only", "leave it out to train on all"),
  validationSize: integer(
    1,
    "hold out the last so many training images and choose the best checkpoint by PGD accuracy on them",
    "leave it out to choose it on the first training images, as the paper does",
  ),
  crop: integer(0, "padding of the random crop in pixels, 0 for none", "write e.g. 4"),
  flip: choice(["yes", "no"], "whether to mirror images at random"),
  evalEvery: integer(1, "steps between evaluations", "write e.g. 200"),
  evalExamples: integer(1, "training and test images per evaluation", "write e.g. 256"),
} as const;

function isAttackName(name: string): boolean {
  try {
    attackPlan(name);
    return true;
  } catch {
    return false;
  }
}

/** Settings of this machine and this invocation; they do not change what is learned. */
export const RUN_SETTINGS = {
  threads: integer(1, "threads to compute with; the result is the same with any number", "leave it out for all cores"),
  backend: choice(["auto", "wasm", "webgpu", "reference"], "what computes; auto takes a GPU where there is one (npm install webgpu), else wasm"),
  precision: choice(["f32", "f16"], "f16: large values in float16, sums in float32, with a scaled loss; only on a GPU"),
  tensorCores: choice(["off", "auto", "on"], "with --precision f16: multiply on tensor cores (experimental); auto where they prove right and faster"),
  vectorBits: choice(["128", "256"], "width of vectors in the wasm backend's code; the results are the same"),
  softwareGpu: choice(["yes", "no"], "accept a GPU that the CPU imitates, for tests; it is slower than wasm"),
  finalAttack: {
    argument: "<attack>",
    help: `attack on the last and the best model at the end: ${ATTACK_NAMES}`,
    kind: "text",
    schema: z.string().refine(isAttackName),
    rule: `one of ${ATTACK_NAMES}`,
    remedy: 'write "pgd-50-10" for 50 steps and 10 restarts',
  } satisfies Setting<string>,
  finalExamples: integer(1, "test images for the attack at the end", "write e.g. 1000"),
} as const;

const ALL = { ...TRAINING_SETTINGS, ...RUN_SETTINGS };

/** Name of a setting in the program, e.g. `batchSize`. */
export type SettingName = keyof typeof ALL;

type ValuesOf<Table> = { [Key in keyof Table]?: Table[Key] extends Setting<infer Value> ? Value : never };

/** Settings that decide the result, those that were given. */
export type TrainingSettings = ValuesOf<typeof TRAINING_SETTINGS>;

/** Settings of the machine and the invocation, those that were given. */
export type RunSettings = ValuesOf<typeof RUN_SETTINGS>;

/** All settings that were given. */
export type Settings = TrainingSettings & RunSettings;

/** A setting's name outside the program: `batchSize` is `batch-size`. */
export function externalName(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The names of all settings in the order of the help text. */
export const SETTING_NAMES: readonly SettingName[] = Object.keys(ALL) as SettingName[];

/** The entry of a setting. */
export function settingOf(setting: SettingName): Setting {
  return ALL[setting];
}

/**
 * Checks one value.
 *
 * @param source where the value was written, for the message, e.g. `--epsilon` or `paper.yaml: epsilon`.
 * @throws ConfigError naming value, rule and remedy.
 */
export function checkSetting(setting: SettingName, value: unknown, source: string): Settings[SettingName] {
  const { schema, rule, remedy } = settingOf(setting);
  const result = schema.safeParse(value);
  if (!result.success) throw new ConfigError(`${source} (=${JSON.stringify(value)}) must be ${rule}; ${typeof remedy === "string" ? remedy : remedy(value)}`);
  return result.data as Settings[SettingName];
}

/**
 * Reads a flag's text as the value it stands for.
 *
 * @throws ConfigError naming value, rule and remedy.
 */
export function parseFlag(setting: SettingName, text: string): Settings[SettingName] {
  const flag = `--${externalName(setting)}`;
  if (settingOf(setting).kind === "text") return checkSetting(setting, text, flag);
  const trimmed = text.trim();
  // Number("") is 0 and Number("0x10") is 16: neither is what was meant.
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(trimmed) ? Number(trimmed) : text;
  return checkSetting(setting, value, flag);
}
