/** @file PGD-k + GradAlign (appendix D.3 of the paper). */
import { add, foldIn, stopGradient } from "@gradalign/tensor";
import { linf } from "../threat/linf.ts";
import { gradAlignPenalty } from "./gradalign.ts";
import type { Method } from "./method.ts";
import { pgdDelta } from "./pgd.ts";

/** As FGSM + GradAlign, but the clean gradient is computed for the regulariser alone and, by default, differentiated through too. */
export const pgdGradAlign: Method = {
  id: "pgd-gradalign",
  paper: "Andriushchenko, Flammarion 2020, appendix D.3",
  defaults: { steps: 2, stepSize: 0.5, start: "zero", branches: "both" },
  lambda: (epsilon, recipe) => recipe.gradAlignLambda(epsilon),
  warmup: "epsilon",
  loss(context) {
    const { network, x, epsilon, key, options } = context;
    const delta = pgdDelta(context);
    const clean = network.inputGradient(x);
    const g1 = options.branches === "both" ? clean : stopGradient(clean);
    const adversarial = network.forward(add(x, delta));
    // Not the key that PGD's random start, if any, was drawn with.
    const eta = linf.randomStart(foldIn(key, 1), x.shape, epsilon);
    const g2 = network.inputGradient(add(x, eta));
    return { adversarial, regularizer: gradAlignPenalty(g1, g2, options.lambda) };
  },
};
