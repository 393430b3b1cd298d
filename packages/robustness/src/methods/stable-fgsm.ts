/** @file Single-step training that shortens each perturbation to where the network first errs. */
import { add, mul, ones, reshape, stopGradient, where } from "@gradalign/tensor";
import { isCorrect } from "../nn/cross-entropy.ts";
import { integer } from "../options/option.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod } from "./method.ts";
import { noiseStep } from "./noise-step.ts";

/**
 * The loss at x + (k / c) delta, delta FGSM-RS's and k the least of 1 … c at which the network, in eval mode, is wrong; c if it nowhere is,
 * and 0 if it already was at the random point where the gradient was taken (the authors' code).
 */
export const stableFgsm = defineMethod({
  id: "stable-fgsm",
  paper: "Kim, Lee, Lee 2021, Understanding catastrophic overfitting, arXiv:2010.01799",
  formula: "ℓ(x + (k / c) δ), δ FGSM-RS's, k ≤ c the least at which the network errs",
  trainsOn: "FGSM-RS, each perturbation shortened to where the network first errs",
  options: {
    checkpoints: integer({ least: 1, default: 3, help: "parts a perturbation is cut into (c)", remedy: "write e.g. 3" }),
    stepSize: stepSize(1.25),
    warmupEpochs: warmupEpochs("step"),
  },
  passes: ({ checkpoints }) => ({ forward: checkpoints + 1, backward: 2 }),
  loss(context) {
    const { network, x, epsilon, options } = context;
    const { checkpoints, stepSize } = options;
    const { pass, delta } = noiseStep(context, { noise: epsilon, stepSize, projected: true });
    let share = ones([x.shape[0] as number]);
    for (let k = checkpoints - 1; k >= 1; k--) {
      const { logits } = network.evaluated(add(x, mul(delta, k / checkpoints)));
      share = where(isCorrect(logits, network.labels), share, k / checkpoints);
    }
    share = where(isCorrect(pass.logits, network.labels), share, 0);
    const shortened = mul(delta, reshape(share, [x.shape[0] as number, 1, 1, 1]));
    return { adversarial: network.forward(add(x, stopGradient(shortened))) };
  },
});
