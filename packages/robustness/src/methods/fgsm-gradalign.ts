/** @file FGSM + GradAlign, the paper's method (Eq. 7). */
import { add, stopGradient } from "@gradalign/tensor";
import { linf } from "../threat/linf.ts";
import { branches, lambda, stepSize, warmupEpochs } from "./common-options.ts";
import { fgsmDelta } from "./fgsm.ts";
import { gradAlignPenalty, gradAlignWeight } from "./gradalign.ts";
import { defineMethod } from "./method.ts";

/**
 * The loss at x + delta plus lambda (1 - cos(g1, g2)).
 *
 * g1 is FGSM's own gradient, a constant as in the paper's code; g2 is the gradient at x + eta, eta uniform in the ball and not
 * clipped to the box, and the regulariser is differentiated through it. With `branches: "both"` it is differentiated through g1
 * as well.
 */
export const fgsmGradAlign = defineMethod({
  id: "fgsm-gradalign",
  paper: "Andriushchenko, Flammarion 2020, Eq. 7",
  trainsOn: "FGSM's perturbation, plus the GradAlign regulariser",
  options: { stepSize: stepSize(1.25), branches: branches("one"), lambda: lambda(gradAlignWeight), warmupEpochs: warmupEpochs("step") },
  // In the paper's scripts, for the ResNet on CIFAR-10.
  recipe: ({ dataset, model }) => (dataset === "cifar10" && model !== "cnn" ? { peak: 0.3 } : {}),
  passes: ({ branches }) => ({ forward: 3, backward: branches === "both" ? 7 : 5 }),
  loss(context) {
    const { network, x, epsilon, key, options } = context;
    const { delta, gradient } = fgsmDelta(context);
    const adversarial = network.forward(add(x, delta));

    const eta = linf.randomStart(key, x.shape, epsilon);
    const g1 = options.branches === "both" ? gradient : stopGradient(gradient);
    const g2 = network.inputGradient(add(x, eta));
    return { adversarial, regularizer: gradAlignPenalty(g1, g2, options.lambda) };
  },
});
