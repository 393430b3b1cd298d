/**
 * @file Section 3's experiments of many trainings on a laptop: with the single-layer network in place of the ResNet.
 *
 * It is the smallest of the paper's networks that overfits catastrophically, and it does so on all of CIFAR-10 with the paper's recipe in
 * minutes. A ResNet takes hours for as many trainings, half of which are PGD's.
 */
import { resolveTrainConfig } from "@gradalign/robustness";
import type { FinalAttack, Scale, Training } from "../paper/experiment.ts";
import { type Cell, gridMethod, RESNET_CHANGES, resnetTraining } from "./resnet-grid.ts";
import { FILTERS } from "./single-layer.ts";

/** Radius in steps of 1/255 at which the single-layer network is trained in the paper. */
const LAPTOP_EPS = 10;
/** A seed on which FGSM overfits completely: the run that figures 5, 6, 7 and 11 show. */
const LAPTOP_SEED = 1;

/** Radius of section 3 in steps of 1/255. */
export const SECTION_EPS: Readonly<Record<Scale, number>> = { paper: 8, laptop: LAPTOP_EPS, smoke: 8 };
/** Seeds of section 3. */
export const SECTION_SEEDS: Readonly<Record<Scale, readonly number[]>> = { paper: [0, 1, 2, 3, 4], laptop: [LAPTOP_SEED], smoke: [0] };

/** Epochs of PGD training, a step of which takes as long as four of FGSM's; it has nothing to lose later on. */
const PGD_EPOCHS = 10;

/** What these experiments' scales change. */
export const LAPTOP_CHANGES: Readonly<Record<Scale, readonly string[]>> = {
  ...RESNET_CHANGES,
  laptop: [
    "The single-layer network with four filters of section 4 (41,082 parameters, no batch norm) in place of the PreAct ResNet-18, of which two cores train as many in hours.",
    `ε = ${LAPTOP_EPS}/255 instead of 8/255, the radius at which the paper trains this network, with its recipe for it: all of CIFAR-10, 30 epochs, Adam, peak learning rate 0.003. PGD training has ${PGD_EPOCHS} epochs.`,
    `Seed ${LAPTOP_SEED} alone, on which FGSM overfits completely here.`,
  ],
};

/** A training at a scale, attacked with the training's radius on the models named: as the ResNet's, but for the laptop scale. */
export function sectionTraining(scale: Scale, cell: Cell, which: readonly ("last" | "best")[], attacks: readonly FinalAttack[] = []): Training {
  if (scale !== "laptop") return resnetTraining(scale, cell, which, attacks);
  const { label, method } = gridMethod(cell.method);
  const epsilon = cell.eps / 255;
  const shorter = "steps" in method ? { epochs: PGD_EPOCHS } : {};
  const config = resolveTrainConfig({ dataset: "cifar10", model: { name: "cnn", filters: FILTERS }, method, epsilon, seed: cell.seed, ...shorter });
  const own = which.map((kind) => ({ attack: "pgd-50-10", examples: 1000, epsilon, which: kind }));
  return { label: `${label}, ε = ${cell.eps}/255, seed ${cell.seed}`, config, attacks: [...own, ...attacks] };
}
