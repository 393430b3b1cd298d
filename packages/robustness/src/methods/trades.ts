/** @file TRADES: accuracy on the images, and answers that do not change around them. */
import { add, mean, mul, stopGradient, type Value } from "@gradalign/tensor";
import { divergence, logSoftmax } from "../nn/softmax.ts";
import { lambda } from "./common-options.ts";
import { defineMethod } from "./method.ts";
import { attackedInEvalMode, evalAttackOptions } from "./multi-step.ts";

/**
 * The loss at x plus lambda KL(p(x) ‖ p(x + delta)), where PGD in eval mode makes the divergence rise. lambda is the paper's 1 / λ, the
 * code's β; it is differentiated through both answers. The code's second clean pass, which only moves the statistics, is left out.
 */
export const trades = defineMethod({
  id: "trades",
  paper: "Zhang et al. 2019, Theoretically principled trade-off, arXiv:1901.08573, Eq. 5",
  formula: "ℓ(x) + λ KL(p(x) ‖ p(x + δ)), δ where that is largest by PGD",
  trainsOn: "the images, plus the divergence of the answers at PGD's perturbation from theirs",
  options: { ...evalAttackOptions(), lambda: lambda(() => 6) },
  passes: ({ steps }) => ({ forward: steps + 3, backward: steps + 2 }),
  loss(context) {
    const { network, x, options } = context;
    const before = logSoftmax(stopGradient(network.evaluated(x).logits));
    const delta = attackedInEvalMode(context, (point: Value) => mean(divergence(before, logSoftmax(network.evaluated(point).logits))));
    const clean = network.forward(x);
    const { logits } = network.forward(add(x, delta));
    return { adversarial: clean, regularizer: mul(options.lambda, mean(divergence(logSoftmax(clean.logits), logSoftmax(logits)))) };
  },
});
