/** @file lp-FGSM: a step that a norm close to l-infinity would take, long only where the gradient is large. */
import { abs, add, div, exp, foldIn, log, max, maximum, mul, reshape, sign, stopGradient, sum, type Value } from "@gradalign/tensor";
import { flag, number } from "../options/option.ts";
import { linf } from "../threat/linf.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod } from "./method.ts";

/** Keeps components without a gradient from a logarithm of 0 (the authors' code). */
const TINY = 1e-12;

/**
 * sign(g) (TINY + |g| / ‖g‖_q)^(q − 1) with q = p / (p − 1), per example [N, C, H, W]: the point of the unit ball of l_p along which a linear
 * loss rises fastest. Sizes are taken relative to the largest, so that powers neither overflow nor vanish.
 */
export function steepestInLp(gradient: Value, p: Value | number): Value {
  const [examples] = gradient.shape as [number, ...number[]];
  const perExample = (values: Value): Value => reshape(values, [examples, 1, 1, 1]);
  const q = div(p, add(p, -1));
  const power = (base: Value, exponent: Value): Value => exp(mul(log(base), exponent));
  const largest = maximum(max(abs(gradient), [1, 2, 3]), 1e-30);
  const relative = div(abs(gradient), perExample(largest));
  const norm = power(maximum(sum(power(maximum(relative, 1e-30), q), [1, 2, 3]), 1e-30), div(1, q));
  return mul(sign(gradient), power(add(div(relative, perExample(norm)), TINY), add(q, -1)));
}

/** The loss at x + delta, clipped neither to the ball nor to the box, with delta at most epsilon, or with noise twice that. */
export const lpFgsm = defineMethod({
  id: "lp-fgsm",
  paper: "lp-FGSM, arXiv:2505.02360; its numbers at 16/255 are not confirmed by AutoAttack",
  formula: "ℓ(x + ε sign g ⊙ |g / ‖g‖|^(q − 1)), the norm the q-th, q = p / (p − 1)",
  trainsOn: "a step in the lp ball, p large: long only where the gradient is; unconfirmed",
  options: {
    p: number({ above: 1, most: 1e4, default: 32, help: "the norm's exponent", remedy: "write e.g. 32" }),
    noisy: flag({ default: false, help: "whether the gradient is taken at, and the step added to, a random point mapped alike" }),
    stepSize: stepSize(1),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ noisy, stepSize }) => stepSize + (noisy ? 1 : 0),
  passes: () => ({ forward: 2, backward: 2 }),
  loss({ network, x, epsilon, ramp, key, options }) {
    const random = (): Value => linf.randomStart(foldIn(key, 0), x.shape, 1);
    const draw = options.noisy ? random() : null;
    const at = draw ? add(x, mul(steepestInLp(draw, options.p), mul(epsilon, ramp))) : x;
    const from = draw ? add(x, mul(draw, mul(epsilon, ramp))) : x;
    const step = mul(steepestInLp(stopGradient(network.inputGradient(at)), options.p), mul(options.stepSize, ramp));
    return { adversarial: network.forward(add(from, step)) };
  },
});
