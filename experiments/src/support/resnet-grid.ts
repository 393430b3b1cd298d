/** @file Trainings of the paper's ResNet at each scale, and the words for what a scale changes. */
import { type PartialMethodConfig, resolveTrainConfig } from "@gradalign/robustness";
import type { FinalAttack, Scale, Training } from "../paper/experiment.ts";
import { CHEAPER, EVERY_THIRD } from "./cheaper-gradalign.ts";

/** A training method of the paper's comparisons, as its figures and tables call it. */
export interface GridMethod {
  readonly key: string;
  readonly label: string;
  readonly method: PartialMethodConfig;
}

const METHODS: readonly GridMethod[] = [
  { key: "standard", label: "Standard", method: { name: "standard" } },
  { key: "fgsm", label: "FGSM", method: { name: "fgsm" } },
  { key: "fgsm-7/8", label: "FGSM, α = 7/8 ε", method: { name: "fgsm", stepSize: 0.875 } },
  { key: "fgsm-rs", label: "FGSM-RS", method: { name: "fgsm-rs" } },
  { key: "n-fgsm", label: "N-FGSM", method: { name: "n-fgsm" } },
  { key: "fgsm-gradalign", label: "FGSM + GradAlign", method: { name: "fgsm-gradalign" } },
  { key: "fgsm-gradalign, λ = 2", label: "FGSM + GradAlign, λ = 2", method: { name: "fgsm-gradalign", lambda: 2 } },
  { key: "free", label: "AT for Free", method: { name: "free", replays: 8 } },
  { key: "pgd-2", label: "PGD-2", method: { name: "pgd", steps: 2, stepSize: 0.5 } },
  { key: "pgd-10", label: "PGD-10", method: { name: "pgd", steps: 10, stepSize: 0.2 } },
  { key: "pgd-10-corner", label: "PGD-10, corners", method: { name: "pgd-corner", steps: 10, stepSize: 0.2 } },
  { key: "cure", label: "FGSM + CURE", method: { name: "cure" } },
  { key: "grad-norm", label: "FGSM + gradient norm", method: { name: "grad-norm" } },
  { key: "llr-2", label: "LLR-2", method: { name: "llr", steps: 2 } },
  { key: "pgd-2-gradalign", label: "PGD-2 + GradAlign", method: { name: "pgd-gradalign", steps: 2, stepSize: 0.5 } },
  ...Object.entries({ ...CHEAPER, ...EVERY_THIRD }).map(([key, method]) => ({ key, label: key.replace("fgsm-gradalign", "FGSM + GradAlign"), method })),
];

/** The method with this key. */
export function gridMethod(key: string): GridMethod {
  const found = METHODS.find((method) => method.key === key);
  if (!found) throw new RangeError(`gridMethod: key (="${key}") must be one of ${METHODS.map((method) => method.key).join(", ")}`);
  return found;
}

/** One training of a ResNet grid. */
export interface Cell {
  readonly dataset?: "cifar10" | "svhn";
  /** Key of the method. */
  readonly method: string;
  /** In steps of 1/255. */
  readonly eps: number;
  readonly seed: number;
  /** Epochs at the paper's scale, if not the recipe's; other scales shorten them in proportion. */
  readonly epochs?: number;
  /** Epochs at the laptop scale, if not the paper's in proportion. */
  readonly laptopEpochs?: number;
}

/** What the laptop scale trains, on all of the images: as little as overfits catastrophically, so that two cores do figure 1 within two hours. */
export const LAPTOP = { width: 8, epochs: 4, evalEvery: 130 } as const;
const SMOKE = { trainSize: 64, batchSize: 32, epochs: 1, evalEvery: 100, evalExamples: 16 } as const;
/** Epochs of the paper's recipe for CIFAR-10, that others are shortened in proportion to. */
const PAPER_EPOCHS = 30;

/** Radii at which the laptop scale compares methods, in steps of 1/255: one where FGSM stays healthy in so few epochs, and one where it overfits. */
export const LAPTOP_RADII = [12, 16] as const;

/** The attack that counts at a scale, and the number of test images. */
export const FINAL: Readonly<Record<Scale, { readonly attack: string; readonly examples: number }>> = {
  paper: { attack: "pgd-50-10", examples: 1000 },
  laptop: { attack: "pgd-50-2", examples: 512 },
  smoke: { attack: "pgd-2", examples: 32 },
};

/** What every ResNet experiment's scales change, before what an experiment adds. */
export const RESNET_CHANGES: Readonly<Record<Scale, readonly string[]>> = {
  paper: ["float32 instead of half precision; the paper's recipe otherwise."],
  laptop: [
    `PreAct ResNet-18 of width ${LAPTOP.width} instead of 64 (176,050 parameters instead of 11,171,146), ${LAPTOP.epochs} epochs where the paper has ${PAPER_EPOCHS}.`,
    `PGD-50 with 2 restarts on the first ${FINAL.laptop.examples} test images instead of 10 restarts on 1,000; an evaluation every ${LAPTOP.evalEvery} steps instead of every 200.`,
    "The guard watches every training with an attack, which changes none of its bits, and only warns.",
  ],
  smoke: [
    "The single-layer network in place of the ResNet (for standard training a PreAct ResNet-18 of width 4), 64 training images, one epoch, PGD-2 on 32 images: nothing can be concluded from it.",
  ],
};

/** Epochs of the laptop scale for those of the paper's. */
export function shortened(epochs: number): number {
  return Math.max(1, Math.round((epochs * LAPTOP.epochs) / PAPER_EPOCHS));
}

/** A training of the grid at a scale, attacked with the training's radius on the models named. */
export function resnetTraining(scale: Scale, cell: Cell, which: readonly ("last" | "best")[], attacks: readonly FinalAttack[] = []): Training {
  const { dataset = "cifar10", eps, seed } = cell;
  const { label, method } = gridMethod(cell.method);
  const epsilon = eps / 255;
  const recipe = resolveTrainConfig({ dataset, method, epsilon, seed, ...(cell.epochs === undefined ? {} : { epochs: cell.epochs }) });
  const size = {
    paper: recipe,
    laptop: {
      model: { name: "preact-resnet18", width: LAPTOP.width },
      epochs: cell.laptopEpochs ?? shortened(recipe.epochs),
      evalEvery: LAPTOP.evalEvery,
      schedule: { peak: recipe.schedule.peak },
      ...(cell.method === "standard" ? {} : { guard: "warn" as const }),
    },
    smoke: {
      ...SMOKE,
      model: cell.method === "standard" ? { name: "preact-resnet18", width: 4 } : { name: "cnn", filters: 4 },
      schedule: { peak: 0.01 },
    },
  }[scale];
  const config = resolveTrainConfig({ dataset, method, epsilon, seed, ...size });
  const own = which.map((kind) => ({ ...FINAL[scale], epsilon, which: kind }));
  return { label: `${dataset === "cifar10" ? "" : `${dataset}, `}${label}, ε = ${eps}/255, seed ${seed}`, config, attacks: [...own, ...attacks] };
}
