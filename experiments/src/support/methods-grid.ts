/** @file The training methods side by side: every built-in one and some variants, on one network with one recipe. */
import { type MethodName, methodNamed, methods, type PartialMethodConfig, resolveTrainConfig, type StepPasses } from "@gradalign/robustness";
import type { FinalAttack, Scale, Training } from "../paper/experiment.ts";
import { CHEAPER } from "./cheaper-gradalign.ts";
import type { Cell } from "./resnet-grid.ts";
import { FILTERS } from "./single-layer.ts";

/** A method of the comparison. */
export interface ComparedMethod {
  readonly key: string;
  readonly method: PartialMethodConfig;
}

/** What else is compared besides each method as it is by default. */
const VARIANTS: readonly ComparedMethod[] = [
  { key: "fgsm-rs, no projection", method: { name: "fgsm-rs", projection: false } },
  ...Object.entries(CHEAPER).map(([key, method]) => ({ key, method })),
  { key: "lap, ascent", method: { name: "lap", direction: "ascent" } },
  { key: "pgd-2", method: { name: "pgd", steps: 2 } },
];

/** Everything that is compared: cheapest first, so that an unfinished comparison has all of the single-step methods. */
export const COMPARED_METHODS: readonly ComparedMethod[] = [
  ...(Object.keys(methods) as MethodName[]).map((name): ComparedMethod => ({ key: name, method: { name } })),
  ...VARIANTS,
].sort((a, b) => passesOf(a).total - passesOf(b).total);

/** Passes of a step, all of them, and as a multiple of FGSM's. */
export function passesOf({ method }: ComparedMethod): StepPasses & { readonly total: number; readonly relative: number } {
  const { name, ...options } = resolveTrainConfig({ method, epsilon: 8 / 255 }).method;
  const { forward, backward } = methodNamed(name).passes(options);
  return { forward, backward, total: forward + backward, relative: (forward + backward) / 4 };
}

/** Kinds of methods, told apart by colour. */
export const KINDS = ["no attack", "FGSM's price", "one step, dearer", "several steps"] as const;

/** A method's kind. */
export function kindOf(compared: ComparedMethod): (typeof KINDS)[number] {
  const { backward, total } = passesOf(compared);
  if (backward < 2) return "no attack";
  if ("steps" in methodNamed(compared.method.name).options) return "several steps";
  return total <= 4 ? "FGSM's price" : "one step, dearer";
}

/** Methods that keep images of floats for every training image, which a step reads and writes as a whole. */
const KEEPING: readonly string[] = ["fgsm-mep", "atas"];

interface Size {
  readonly settings: object;
  readonly seeds: readonly number[];
  readonly compared: (method: ComparedMethod) => boolean;
  readonly radii: readonly number[];
  /** The attack of the paper, the strongest, and the number of test images. */
  readonly attacks: readonly [pgd: string, strongest: string];
  readonly examples: number;
}

/** What a scale trains. Epochs and learning rate are the same for all methods, whatever recipe a method has of its own. */
export const SIZES: Readonly<Record<Scale, Size>> = {
  paper: {
    settings: { model: "preact-resnet18", epochs: 30, schedule: { peak: 0.2 } },
    seeds: [0, 1, 2, 3, 4],
    compared: () => true,
    radii: [16, 8],
    attacks: ["pgd-50-10", "autoattack"],
    examples: 1000,
  },
  laptop: {
    settings: { model: { name: "cnn", filters: FILTERS }, epochs: 5, schedule: { peak: 0.003 }, evalEvery: 78, evalExamples: 128 },
    seeds: [0, 1],
    compared: ({ key }) => !KEEPING.includes(key),
    radii: [16, 8],
    attacks: ["pgd-50-10", "autoattack"],
    examples: 200,
  },
  smoke: {
    settings: { model: { name: "cnn", filters: FILTERS }, trainSize: 64, batchSize: 32, epochs: 1, evalEvery: 100, evalExamples: 16, schedule: { peak: 0.01 } },
    seeds: [0],
    compared: ({ key }) => ["fgsm", "n-fgsm", "fgsm-gradalign"].includes(key),
    radii: [8],
    attacks: ["pgd-2", "apgd-ce:steps=2"],
    examples: 16,
  },
};

/** What of the comparison a scale has. */
export function comparedAt(scale: Scale): ComparedMethod[] {
  return COMPARED_METHODS.filter(SIZES[scale].compared);
}

/** The grid, seed by seed and the large radius first. */
export function methodCells(scale: Scale): Cell[] {
  const { seeds, radii } = SIZES[scale];
  return seeds.flatMap((seed) => radii.flatMap((eps) => comparedAt(scale).map(({ key }) => ({ method: key, eps, seed }))));
}

/** The method of a key. */
export function comparedMethod(key: string): ComparedMethod {
  const found = COMPARED_METHODS.find((compared) => compared.key === key);
  if (!found) throw new RangeError(`comparedMethod: key (="${key}") must be one of ${COMPARED_METHODS.map((compared) => compared.key).join(", ")}`);
  return found;
}

/** The training of a cell, its last and its best model attacked in both ways. */
export function methodTraining(scale: Scale, { method: key, eps, seed }: Cell): Training {
  const { settings, attacks, examples } = SIZES[scale];
  const { method } = comparedMethod(key);
  const epsilon = eps / 255;
  const config = resolveTrainConfig({ dataset: "cifar10", method, epsilon, seed, ...settings });
  const final = (["last", "best"] as const).flatMap((which) => attacks.map((attack): FinalAttack => ({ attack, epsilon, examples, which })));
  return { label: `${key}, ε = ${eps}/255, seed ${seed}`, config, attacks: final };
}
