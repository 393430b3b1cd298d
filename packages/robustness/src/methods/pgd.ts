/** @file PGD training with k steps. */
import { add, mul, type Value } from "@gradalign/tensor";
import { pgd as attack } from "../attacks/pgd.ts";
import { unrollAttack } from "../attacks/projected-gradient.ts";
import { linf } from "../threat/linf.ts";
import type { Method, MethodContext } from "./method.ts";

/** PGD's perturbation. The paper's warm-up ramps the ball, not the step. */
export function pgdDelta({ network, x, epsilon, ramp, key, options }: MethodContext): Value {
  const { steps, stepSize, start } = options;
  return unrollAttack(attack, {
    site: { x, threat: linf, epsilon: ramp === 1 ? epsilon : mul(epsilon, ramp) },
    gradient: network.boxedInputGradient,
    key,
    options: { steps, stepSize, start, restarts: 1 },
    alpha: stepSize * epsilon,
  });
}

/** The loss at x + PGD's perturbation, after an extra clean pass that moves the statistics as in the paper's code. */
export const pgd: Method = {
  id: "pgd",
  paper: "Madry et al. 2018",
  defaults: { steps: 10, stepSize: 0.2, start: "zero" },
  warmup: "epsilon",
  loss(context) {
    const { network, x } = context;
    const delta = pgdDelta(context);
    network.forward(x);
    return { adversarial: network.forward(add(x, delta)) };
  },
};
