/** @file MART: TRADES's idea on adversarial images, with more weight on images that are misclassified. */
import { add, exp, log, max, mean, mul, neg, sub, type Value, where } from "@gradalign/tensor";
import { isLabel } from "../nn/cross-entropy.ts";
import { divergence, logSoftmax } from "../nn/softmax.ts";
import { lambda } from "./common-options.ts";
import { defineMethod } from "./method.ts";
import { attackedInEvalMode, evalAttackOptions } from "./multi-step.ts";

/** Keep the logarithm and the weight from vanishing (the authors' code). */
const [ABOVE_ONE, BARELY_ABOVE_ONE, TINY] = [1.0001, 1.0000001, 1e-12];

/**
 * The boosted cross-entropy at x + delta, −log p_y − log(1 − max_{k ≠ y} p_k), plus lambda KL(p(x) ‖ p(x + delta)) (1 − p_y(x)). The second
 * logarithm is recorded with the regulariser, whose weight does not concern it.
 */
export const mart = defineMethod({
  id: "mart",
  paper: "Wang et al. 2020, Improving adversarial robustness requires revisiting misclassified examples",
  formula: "ℓₘ(x + δ) + λ mean KL(p(x) ‖ p(x + δ)) (1 − p_y(x)), ℓₘ with the margin − ln(1 − the largest other p), δ PGD's",
  trainsOn: "PGD's perturbation with a margin, plus TRADES's divergence where the image is misclassified",
  options: { ...evalAttackOptions(), lambda: lambda(() => 5) },
  passes: ({ steps }) => ({ forward: steps + 2, backward: steps + 2 }),
  loss(context) {
    const { network, x, options } = context;
    const delta = attackedInEvalMode(context, (point: Value) => network.evaluated(point).loss);
    const clean = network.forward(x);
    const adversarial = network.forward(add(x, delta));
    const [before, after] = [logSoftmax(clean.logits), logSoftmax(adversarial.logits)];
    const rival = max(where(isLabel(after, network.labels), 0, exp(after)), [1]);
    const margin = neg(mean(log(sub(ABOVE_ONE + TINY, rival))));
    const doubt = sub(BARELY_ABOVE_ONE, exp(neg(clean.losses)));
    return { adversarial, regularizer: add(margin, mul(options.lambda, mean(mul(divergence(before, after), doubt)))) };
  },
});
