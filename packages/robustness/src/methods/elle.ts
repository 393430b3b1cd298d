/** @file ELLE: the loss should be linear between random points of the ball. */
import { add, concat, foldIn, mean, mul, reshape, sign, slice, square, stopGradient, sub, type Value } from "@gradalign/tensor";
import { linf } from "../threat/linf.ts";
import { lambda, stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod, type MethodContext } from "./method.ts";

/**
 * The mean of (l(x_c) − (1 − w) l(x_a) − w l(x_b))², with x_a and x_b uniform in the ball and x_c = (1 − w) x_a + w x_b, w uniform per image;
 * the three are one batch of 3 N. Points may leave the box (the authors' code).
 */
export function linearityError({ network, x, epsilon, ramp, key }: Pick<MethodContext, "network" | "x" | "epsilon" | "ramp" | "key">): Value {
  const count = x.shape[0] as number;
  const point = (stream: number): Value => add(x, linf.randomStart(foldIn(key, stream), x.shape, mul(epsilon, ramp)));
  const [a, b] = [point(0), point(1)];
  const w = add(linf.randomStart(foldIn(key, 2), [count, 1, 1, 1], 0.5), 0.5);
  const c = add(mul(sub(1, w), a), mul(w, b));
  const { losses } = network.forward(concat([a, b, c]), concat([network.labels, network.labels, network.labels]));
  const [atA, atB, atC] = [0, 1, 2].map((i) => slice(losses, [i * count], [(i + 1) * count])) as [Value, Value, Value];
  const share = reshape(w, [count]);
  return mean(square(sub(atC, add(mul(sub(1, share), atA), mul(share, atB)))));
}

/** FGSM's point as ELLE's code has it: not clipped to the box. */
export function unclippedFgsm({ network, x, ramp }: Pick<MethodContext, "network" | "x" | "ramp">, step: Value | number): Value {
  return add(x, mul(sign(stopGradient(network.inputGradient(x))), mul(step, ramp)));
}

/** The loss at FGSM's point plus lambda times the linearity error. */
export const elle = defineMethod({
  id: "elle",
  paper: "Abad Rocamora et al. 2024, Efficient local linearity regularization, arXiv:2401.11618",
  formula: "ℓ(x + δ) + λ mean (ℓ(c) − (1 − w) ℓ(a) − w ℓ(b))², a and b uniform in the ball, c = (1 − w) a + w b",
  trainsOn: "FGSM's perturbation, plus a penalty on how far the loss is from linear between random points",
  options: {
    stepSize: stepSize(1),
    // In the authors' scripts, by radius.
    lambda: lambda(({ epsilon }) => (epsilon < 9 / 255 ? 1000 : epsilon < 21 / 255 ? 5000 : 10_000)),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ stepSize }) => Math.max(1, stepSize),
  passes: () => ({ forward: 5, backward: 5 }),
  loss(context) {
    const { network, options } = context;
    const adversarial = network.forward(unclippedFgsm(context, options.stepSize));
    return { adversarial, regularizer: mul(options.lambda, linearityError(context)) };
  },
});
