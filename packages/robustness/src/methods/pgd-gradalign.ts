/** @file PGD-k + GradAlign (appendix D.3 of the paper). */
import { add, foldIn, stopGradient } from "@gradalign/tensor";
import { linf } from "../threat/linf.ts";
import { branches, lambda } from "./common-options.ts";
import { gradAlignPenalty, gradAlignWeight } from "./gradalign.ts";
import { defineMethod } from "./method.ts";
import { pgdDelta, pgdOptions } from "./pgd.ts";

/** As FGSM + GradAlign, but the clean gradient is computed for the regulariser alone and, by default, differentiated through too. */
export const pgdGradAlign = defineMethod({
  id: "pgd-gradalign",
  paper: "Andriushchenko, Flammarion 2020, appendix D.3",
  formula: "ℓ(x + δₖ) + λ (1 − mean cos(∇ℓ(x), ∇ℓ(x + η))), δₖ PGD's",
  trainsOn: "PGD's perturbation, plus the GradAlign regulariser",
  options: { ...pgdOptions({ steps: 2, start: "zero" }), branches: branches("both"), lambda: lambda(gradAlignWeight) },
  passes: ({ steps, branches }) => ({ forward: steps + 3, backward: steps + (branches === "both" ? 7 : 5) }),
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
});
