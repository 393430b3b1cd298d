/** @file Curvature regularisation at FGSM's point, one of the alternatives that the paper compares GradAlign with. */
import { add, mean, mul, stopGradient, sub } from "@gradalign/tensor";
import type { Circumstances } from "../options/option.ts";
import { adversary, branches, lambda, logLinear, stepSize, warmupEpochs } from "./common-options.ts";
import { exampleDots, exampleGradients, fgsmDeltaOf } from "./example-gradients.ts";
import { defineMethod } from "./method.ts";

/** The weights of the comparison in Abad Rocamora et al. 2024: 1000 at 8/255, 50000 at 16/255 for gradients of a mean over 128 examples. */
export function curvatureWeight({ epsilon }: Pick<Circumstances, "epsilon">): number {
  return logLinear(20 / 128 ** 2, 1000 / 128 ** 2)(epsilon);
}

/**
 * The loss at x + delta (or, with `adversary: "none"` as originally, at x) plus lambda times the mean of ‖g(x + delta) − g(x)‖₂², with
 * delta FGSM's perturbation and g an example's input gradient: a finite difference of the curvature along the gradient's signs.
 *
 * The derivative goes through both gradients unless `branches` says `one`. The paper's weights are not known.
 */
export const cure = defineMethod({
  id: "cure",
  paper: "Moosavi-Dezfooli et al. 2019; compared in Andriushchenko, Flammarion 2020, appendix D.5",
  formula: "ℓ(x + δ) + λ mean ‖∇ℓ(x + δ) − ∇ℓ(x)‖², δ FGSM's",
  trainsOn: "FGSM's perturbation, plus a penalty on the gradient's change up to it (curvature)",
  options: { stepSize: stepSize(1.25), branches: branches("both"), adversary, lambda: lambda(curvatureWeight), warmupEpochs: warmupEpochs("step") },
  passes: ({ branches }) => ({ forward: 3, backward: branches === "both" ? 7 : 5 }),
  loss(context) {
    const { network, x, options } = context;
    const clean = exampleGradients(context, x);
    const shifted = add(x, fgsmDeltaOf(context, clean));
    const change = sub(exampleGradients(context, shifted), options.branches === "both" ? clean : stopGradient(clean));
    const adversarial = network.forward(options.adversary === "none" ? x : shifted);
    return { adversarial, regularizer: mul(options.lambda, mean(exampleDots(change, change))) };
  },
});
