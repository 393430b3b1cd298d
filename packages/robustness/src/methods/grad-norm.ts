/** @file FGSM training with a penalty on the size of the input gradient, one of the alternatives that the paper compares GradAlign with. */
import { add, mean, mul } from "@gradalign/tensor";
import { adversary, lambda, stepSize, warmupEpochs } from "./common-options.ts";
import { curvatureWeight } from "./cure.ts";
import { exampleDots, exampleGradients, fgsmDeltaOf } from "./example-gradients.ts";
import { defineMethod } from "./method.ts";

/**
 * The loss at x + FGSM's perturbation (or, with `adversary: "none"`, at x) plus lambda times the mean of ‖g‖₂², g an example's input
 * gradient at x. The paper's weights are not known; the default is CURE's, whose term is of the same kind.
 */
export const gradNorm = defineMethod({
  id: "grad-norm",
  paper: "Ross, Doshi-Velez 2018; compared in Andriushchenko, Flammarion 2020, appendix D.5",
  formula: "ℓ(x + δ) + λ mean ‖∇ℓ(x)‖², δ FGSM's",
  trainsOn: "FGSM's perturbation, plus a penalty on the squared norm of the input gradient",
  options: { stepSize: stepSize(1.25), adversary, lambda: lambda(curvatureWeight), warmupEpochs: warmupEpochs("step") },
  passes: () => ({ forward: 2, backward: 4 }),
  loss(context) {
    const { network, x, options } = context;
    const g = exampleGradients(context, x);
    const point = options.adversary === "none" ? x : add(x, fgsmDeltaOf(context, g));
    return { adversarial: network.forward(point), regularizer: mul(options.lambda, mean(exampleDots(g, g))) };
  },
});
