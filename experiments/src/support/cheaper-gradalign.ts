/** @file GradAlign's variants that cost less than all of it; none is the paper's. */
import type { PartialMethodConfig } from "@gradalign/robustness";

/** By what they are called in tables. */
export const CHEAPER: Readonly<Record<string, PartialMethodConfig>> = {
  "fgsm-gradalign, trained neighbour": { name: "fgsm-gradalign", neighbour: "trained" },
  "fgsm-gradalign, a quarter": { name: "fgsm-gradalign", aligned: "quarter" },
  "fgsm-gradalign, every 2nd step": { name: "fgsm-gradalign", alignEvery: 2 },
  "fgsm-gradalign, every 4th step": { name: "fgsm-gradalign", alignEvery: 4 },
  "fgsm-gradalign, first layer": { name: "fgsm-gradalign", through: "first-layer" },
  "fgsm-gradalign, first layer, trained neighbour": { name: "fgsm-gradalign", through: "first-layer", neighbour: "trained" },
};

/** One more for ResNets: as often as a step at one and a half times FGSM's time allows. */
export const EVERY_THIRD: Readonly<Record<string, PartialMethodConfig>> = {
  "fgsm-gradalign, every 3rd step": { name: "fgsm-gradalign", alignEvery: 3 },
};
