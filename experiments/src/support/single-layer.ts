/** @file What the experiments on the single-layer network share: their grid, which run they show, and its filters. */

import { type ImageDataset, type JsonObject, readImages, resolveTrainConfig } from "@gradalign/robustness";
import type { Tensor } from "@gradalign/tensor";
import type { Comparison, Experiment, Findings, FinishedTraining, Lab, Measurement, SavedParameters, Scale, Training } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { decimals, levels, radius } from "./statistics.ts";

/** The paper's radius in this network (section 4). */
export const EPSILON = 10 / 255;
/** Filters of the network. */
export const FILTERS = 4;

/** What the scales change. */
const CHANGES: Readonly<Record<Scale, readonly string[]>> = {
  paper: [
    "The paper shows one run; here three seeds are trained, and the first that overfits completely is shown. Which seeds do depends on the last bits of the arithmetic.",
    "float32 throughout; CIFAR-10, 30 epochs, batches of 128, Adam, peak learning rate 0.003, weight decay 5e-4, an evaluation every 50 steps, as in the paper's code.",
  ],
  laptop: ["Two seeds instead of three, an evaluation every 150 steps instead of every 50, attacks on 256 images instead of 1,000."],
  smoke: ["128 images, two epochs, one seed: nothing can be concluded from it."],
};

const SEEDS: Readonly<Record<Scale, readonly number[]>> = { paper: [0, 1, 2], laptop: [2, 1], smoke: [0] };

/** A training of the network with four filters at a scale, attacked with its radius on the models named. */
export function singleLayerTraining(scale: Scale, method: "fgsm" | "fgsm-gradalign", seed: number, which: readonly ("last" | "best")[]): Training {
  const size = {
    paper: {},
    laptop: { evalEvery: 150 },
    smoke: { epochs: 2, trainSize: 128, batchSize: 32, evalEvery: 4, evalExamples: 32 },
  }[scale];
  const config = resolveTrainConfig({ dataset: "cifar10", model: { name: "cnn", filters: FILTERS }, method, epsilon: EPSILON, seed, ...size });
  const attack = scale === "smoke" ? "pgd-5-2" : "pgd-50-10";
  return {
    label: `${method}, ε = ${radius(EPSILON)}, seed ${seed}`,
    config,
    attacks: which.map((kind) => ({ attack, epsilon: EPSILON, examples: EXAMPLES[scale], which: kind })),
  };
}

/** The grid: FGSM training of the network with four filters. */
function singleLayerTrainings(scale: Scale): Training[] {
  return SEEDS[scale].map((seed) => singleLayerTraining(scale, "fgsm", seed, ["last", "best"]));
}

/** Test images that final attacks and alignments are measured on. */
export const EXAMPLES: Readonly<Record<Scale, number>> = { paper: 1000, laptop: 256, smoke: 32 };

/** A run of the grid and how it ended. */
export interface SingleLayerRun {
  readonly training: Training;
  readonly finished: FinishedTraining;
  readonly seed: number;
  /** Epoch of catastrophic overfitting; null if it did not happen. */
  readonly collapse: number | null;
  /** PGD-10 accuracy at the end, on the evaluation's images. */
  readonly pgd: number;
}

/** All runs of the grid. */
function singleLayerRuns(lab: Lab, scale: Scale): SingleLayerRun[] {
  return singleLayerTrainings(scale).map((training) => {
    const finished = lab.finished(training);
    const last = finished.evaluations.at(-1);
    return { training, finished, seed: training.config.seed, collapse: finished.overfitting?.epoch ?? null, pgd: last?.test_pgd_acc ?? Number.NaN };
  });
}

/** PGD accuracy that a complete collapse leaves at most. */
const COMPLETE = 0.02;

/** The run that figures show: the first that overfitted completely, else at all, else the first. */
function shownRun(runs: readonly SingleLayerRun[]): SingleLayerRun {
  const shown = runs.find(({ collapse, pgd }) => collapse !== null && pgd <= COMPLETE) ?? runs.find(({ collapse }) => collapse !== null) ?? runs[0];
  return shown as SingleLayerRun;
}

/** How each run ended, as rows. */
function outcomes(runs: readonly SingleLayerRun[]): Measurement[] {
  return runs.flatMap(({ training, finished, seed, collapse }) =>
    training.attacks.map((attack) => {
      const { cleanAccuracy, robustAccuracy, confidence95, n } = finished.attacked(attack);
      return {
        quantity: "accuracy",
        training: finished.id,
        seed,
        epsilon: `${levels(EPSILON)}/255`,
        model: attack.which,
        attack: attack.attack,
        n,
        clean: cleanAccuracy,
        robust: robustAccuracy,
        robust_low: confidence95[0],
        robust_high: confidence95[1],
        overfitting_epoch: collapse,
        batch_norm: "none in this network",
      };
    }),
  );
}

/** An experiment on the single-layer network that looks at the run it shows. */
export function singleLayerExperiment({
  look,
  ...words
}: Pick<Experiment, "id" | "title" | "paper" | "summary" | "page"> & {
  readonly look: (shown: SingleLayerRun, lab: Lab, scale: Scale, runs: readonly SingleLayerRun[]) => Findings | Promise<Findings>;
}): Experiment {
  return {
    ...words,
    defaultScale: "paper",
    changes: CHANGES,
    trainings: singleLayerTrainings,
    async measure(lab, scale) {
      const runs = singleLayerRuns(lab, scale);
      const shown = shownRun(runs);
      const { measurements, details } = await look(shown, lab, scale, runs);
      return { measurements: [...outcomes(runs), ...measurements], details: { seed: shown.seed, collapse: shown.collapse, ...details } };
    },
  };
}

/** When the run that is shown overfitted, beside the paper's. */
export function collapseComparison(collapse: number | null, basis: string): Comparison {
  const paper = PAPER_NUMBERS.cnn.overfittingEpoch;
  const agrees = collapse === null ? null : Math.abs(collapse - paper.value) < 4;
  return { quantity: "Epoch of catastrophic overfitting", paper, ours: decimals(collapse, 1), basis, agrees, remark: "It depends on the seed." };
}

/** Weights of a saved single-layer network on the host. */
export interface HostFilters {
  /** [filter][channel][9 weights]. */
  readonly kernels: readonly (readonly (readonly number[])[])[];
  readonly biases: readonly number[];
  /** Norm of each filter, and of its outgoing weights. */
  readonly norms: readonly number[];
  readonly outgoing: readonly number[];
  readonly iteration: number;
}

/** Reads a saved network's filters. */
export async function hostFilters({ params, iteration }: SavedParameters): Promise<HostFilters> {
  const read = async (name: string): Promise<Float32Array> => (await (params[name] as Tensor).read()) as Float32Array;
  const [weight, bias, linear] = [await read("_model.0.weight"), await read("_model.0.bias"), await read("_model.3.weight")];
  const positions = linear.length / 10 / FILTERS;
  const kernels = Array.from({ length: FILTERS }, (_, f) => Array.from({ length: 3 }, (_, c) => [...weight.subarray((3 * f + c) * 9, (3 * f + c + 1) * 9)]));
  return {
    kernels,
    biases: [...bias],
    norms: kernels.map((channels) => Math.hypot(...channels.flat())),
    outgoing: kernels.map((_, f) => {
      let sum = 0;
      for (let k = 0; k < 10; k++) for (let i = 0; i < positions; i++) sum += (linear[(k * FILTERS + f) * positions + i] as number) ** 2;
      return Math.sqrt(sum);
    }),
    iteration,
  };
}

/** The first test images as floats in [0, 1], [n * C * H * W]. */
export function pixelsOf({ test, shape }: ImageDataset, first: number, n: number): Promise<Float32Array> {
  return readImages(test, shape, first, n);
}

/** Plain JSON of the filters. */
export function filtersJson(filters: HostFilters): JsonObject {
  return filters as unknown as JsonObject;
}
