/** @file SORA: a step whose length follows how well the attack's gradient foretold the training pass's. */
import { abs, add, clamp, div, eq, foldIn, full, max, maximum, mean, minimum, mul, sign, stopGradient, sub, sum, type Value, where } from "@gradalign/tensor";
import { number } from "../options/option.ts";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { carried, defineMethod } from "./method.ts";

/** Of the alignment's moving average: what an iteration leaves, and the beginning. */
const [KEPT, FIRST] = [0.95, 0.99];

/** The mean over the examples of ⟨sign g, h⟩ / ‖g‖₁, within ±1; an example without a gradient counts as aligned. [N, C, H, W] each. */
function agreement(g: Value, h: Value): Value {
  // Gradients may be tiny: sizes are relative to the largest component.
  const largest = max(abs(g), [1, 2, 3]);
  const none = eq(largest, 0);
  const relative = (values: Value): Value => div(sum(values, [1, 2, 3]), where(none, 1, largest));
  return mean(where(none, 1, clamp(div(relative(mul(sign(g), h)), maximum(relative(abs(g)), 1)), -1, 1)));
}

/**
 * The loss at x + eta + alpha r sign(g), kept in the box only: eta uniform in the ball, r uniform in [0, 1] per pixel, g the gradient at
 * x + eta. With v the moving average of the agreement of g and the input gradient of the training pass, which goes back to the images
 * anyway but for the last step, alpha is `stepSize` min(1, tolerance / (1 − v)): it is shortened as the two drift apart.
 */
export const sora = defineMethod({
  id: "sora",
  paper: "SORA 2026, arXiv:2606.00738",
  formula: "ℓ(x + η + α r ⊙ sign ∇ℓ(x + η)), r uniform in [0, 1], α = 2ε min(1, 0.02 / (1 − v)), v the gradients' agreement",
  trainsOn: "a random step from noise, shortened as the gradients of attack and training drift apart",
  options: {
    stepSize: stepSize(2),
    tolerance: number({ above: 0, most: 2, default: 0.02, help: "misalignment up to which the step has its full length", remedy: "write e.g. 0.02" }),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ stepSize }) => 1 + stepSize,
  passes: () => ({ forward: 2, backward: 2 }),
  carries: () => ({ alignment: full([], FIRST) }),
  loss(context) {
    const { network, x, epsilon, ramp, key, options } = context;
    const alignment = carried(context, "alignment");
    const eta = linf.randomStart(foldIn(key, 0), x.shape, mul(epsilon, ramp));
    const share = add(linf.randomStart(foldIn(key, 1), x.shape, 0.5), 0.5);
    const gradient = stopGradient(network.inputGradient(add(x, eta)));
    const shortened = minimum(div(options.tolerance, maximum(sub(1, alignment), 1e-6)), 1);
    const step = mul(mul(sign(gradient), share), mul(mul(options.stepSize, ramp), shortened));
    const { gradient: trained, ...adversarial } = network.inputPass(add(x, boxDelta(x, add(eta, step))));
    const now = agreement(gradient, stopGradient(trained));
    return { adversarial, carry: { alignment: add(mul(alignment, KEPT), mul(now, 1 - KEPT)) } };
  },
});
