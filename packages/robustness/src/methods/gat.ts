/** @file GAT: guided adversarial training, a step that also changes the answers, and a penalty on that change. */
import { add, mean, mul, square, stopGradient, sub, sum, type Value } from "@gradalign/tensor";
import { softmax } from "../nn/softmax.ts";
import { choice } from "../options/option.ts";
import { lambda, noise, stepSize, warmupEpochs } from "./common-options.ts";
import { guidedDelta, turns } from "./guided.ts";
import { defineMethod } from "./method.ts";

/** The mean squared change of the probabilities. */
function change(a: Value, b: Value): Value {
  return mean(sum(square(sub(softmax(a), softmax(b))), [1]));
}

/**
 * The loss at x (or at x + delta) plus lambda ‖p(x) − p(x + delta)‖²; the attack runs in eval mode and climbs both on every other batch.
 * The authors' code makes lambda four times as large in the last 14 of 100 epochs, and a second clean pass; neither is done here.
 */
export const gat = defineMethod({
  id: "gat",
  paper: "Sriramanan et al. 2020, Guided adversarial attack, arXiv:2011.14969",
  formula: "ℓ(x) + λ mean ‖p(x) − p(x + δ)‖², δ a step from random signs",
  trainsOn: "a step from random signs that also changes the answers, plus a penalty on that change",
  options: {
    noise: noise(() => 0.5),
    stepSize: stepSize(1),
    classified: choice(["clean", "adversarial"], { default: "clean", help: "the images whose loss the penalty is added to" }),
    lambda: lambda(() => 10),
    warmupEpochs: warmupEpochs("step"),
  },
  passes: () => ({ forward: 3, backward: 3 }),
  carries: turns,
  loss(context) {
    const { network, x, options } = context;
    const clean = network.forward(x);
    const before = stopGradient(clean.logits);
    const { delta, carry } = guidedDelta(context, {
      ...options,
      climbed(point) {
        const { loss, logits } = network.evaluated(point);
        return { loss, guide: mul(options.lambda, change(before, logits)) };
      },
    });
    const adversarial = network.forward(add(x, delta));
    const regularizer = mul(options.lambda, change(clean.logits, adversarial.logits));
    return { adversarial: options.classified === "clean" ? clean : adversarial, regularizer, carry };
  },
});
