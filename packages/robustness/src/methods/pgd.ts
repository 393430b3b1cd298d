/** @file PGD training with k steps. */
import { add, mul, type Value } from "@gradalign/tensor";
import { attackOptions } from "../attacks/options.ts";
import { pgd as attack } from "../attacks/pgd.ts";
import { unrollAttack } from "../attacks/projected-gradient.ts";
import { linf } from "../threat/linf.ts";
import { pgdStepSize, start, stepSize, steps, warmupEpochs } from "./common-options.ts";
import { defineMethod, type MethodContext } from "./method.ts";

/** What {@link pgdDelta} needs, and methods built on it declare: PGD with these defaults. */
export function pgdOptions(defaults: { readonly steps: number; readonly start: "zero" | "random" }) {
  return { steps: steps(defaults.steps), stepSize: stepSize(pgdStepSize), start: start(defaults.start), warmupEpochs: warmupEpochs("ball") };
}

/** PGD's perturbation. The paper's warm-up ramps the ball, not the step. */
export function pgdDelta({ network, x, epsilon, ramp, key, options }: MethodContext<ReturnType<typeof pgdOptions>>): Value {
  return unrollAttack(attack, {
    site: { x, threat: linf, epsilon: ramp === 1 ? epsilon : mul(epsilon, ramp) },
    gradient: network.boxedInputGradient,
    key,
    options: { ...attackOptions(attack), steps: options.steps, start: options.start },
    alpha: options.stepSize,
  });
}

/** The loss at x + PGD's perturbation, after an extra clean pass that moves the statistics as in the paper's code. */
export const pgd = defineMethod({
  id: "pgd",
  paper: "Madry et al. 2018",
  formula: "ℓ(x + δₖ), δᵢ₊₁ = Π(δᵢ + α sign ∇ℓ(x + δᵢ))",
  trainsOn: "PGD's perturbation after `steps` steps",
  options: pgdOptions({ steps: 10, start: "zero" }),
  passes: ({ steps }) => ({ forward: steps + 2, backward: steps + 1 }),
  loss(context) {
    const { network, x } = context;
    const delta = pgdDelta(context);
    network.forward(x);
    return { adversarial: network.forward(add(x, delta)) };
  },
});
