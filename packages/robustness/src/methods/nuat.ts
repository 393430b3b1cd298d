/** @file NuAT: nuclear-norm adversarial training. */
import { add, div, minimum, mul, stopGradient, sub } from "@gradalign/tensor";
import { nuclearNorm } from "../nn/nuclear-norm.ts";
import { number } from "../options/option.ts";
import { lambda, noise, stepSize, warmupEpochs } from "./common-options.ts";
import { guidedDelta, turns } from "./guided.ts";
import { defineMethod } from "./method.ts";

/**
 * The loss at x plus lambda ‖Z(x) − Z(x + delta)‖_* / N, Z the logits of the batch; the attack runs in eval mode and climbs both on every
 * other batch. The weight grows by the epoch to lambda. The code's second clean pass, which only moves the statistics, is left out.
 */
export const nuat = defineMethod({
  id: "nuat",
  paper: "Sriramanan et al. 2021, Towards efficient and effective adversarial training",
  formula: "ℓ(x) + λ ‖Z(x) − Z(x + δ)‖ / N, the norm the nuclear one, δ a step from random signs",
  trainsOn: "the images, plus the nuclear norm of the logits' change at a step from random signs",
  options: {
    noise: noise(() => 0.5),
    stepSize: stepSize(1),
    lambda: lambda(() => 4.5),
    growthEpochs: number({
      least: 1,
      most: 1e6,
      unit: "epochs",
      default: ({ epochs }) => Math.max(1, Math.round(0.9 * epochs)),
      help: "epochs over which the weight grows to its full size",
      remedy: "write e.g. 27",
    }),
    warmupEpochs: warmupEpochs("step"),
  },
  usesEpoch: true,
  passes: () => ({ forward: 3, backward: 3 }),
  carries: turns,
  loss(context) {
    const { network, x, epoch, options } = context;
    const weight = mul(options.lambda, minimum(div(epoch, options.growthEpochs), 1));
    const clean = network.forward(x);
    const before = stopGradient(clean.logits);
    const perExample = (norm: ReturnType<typeof nuclearNorm>) => div(norm, x.shape[0] as number);
    const { delta, carry } = guidedDelta(context, {
      ...options,
      climbed(point) {
        const { loss, logits } = network.evaluated(point);
        return { loss, guide: mul(weight, perExample(nuclearNorm(sub(before, logits)))) };
      },
    });
    const { logits } = network.forward(add(x, delta));
    return { adversarial: clean, regularizer: mul(weight, perExample(nuclearNorm(sub(clean.logits, logits)))), carry };
  },
});
