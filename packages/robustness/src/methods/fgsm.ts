/** @file FGSM training without random start, the method that overfits catastrophically first. */
import { add, mul, sign, stopGradient, type Value, zeros } from "@gradalign/tensor";
import { ascend } from "../attacks/projected-gradient.ts";
import type { NumberOption } from "../options/option.ts";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod, type MethodContext } from "./method.ts";

/**
 * FGSM's perturbation from `start` (zero unless given), which counts as constant, and the gradient it followed, which does not.
 * Not `projected` it is kept in the box only. The step of 1.25 epsilon is the paper's default: clipped to the ball it is epsilon from a zero start.
 */
export function fgsmDelta(
  { network, x, epsilon, ramp, options }: MethodContext<{ readonly stepSize: NumberOption<"length"> }>,
  start?: Value,
  projected = true,
): { delta: Value; gradient: Value } {
  const site = { x, threat: linf, epsilon };
  const gradient = network.boxedInputGradient(start ? add(x, start) : x);
  const [from, step] = [start ?? zeros(x.shape), mul(options.stepSize, ramp)];
  const delta = projected ? ascend(site, from, gradient, step) : boxDelta(x, add(from, mul(sign(gradient), step)));
  return { delta: stopGradient(delta), gradient };
}

/** The loss at x + FGSM's perturbation. */
export const fgsm = defineMethod({
  id: "fgsm",
  paper: "Goodfellow, Shlens, Szegedy 2015",
  formula: "ℓ(x + δ), δ = Π(α sign ∇ℓ(x))",
  trainsOn: "FGSM's perturbation",
  options: { stepSize: stepSize(1.25), warmupEpochs: warmupEpochs("step") },
  passes: () => ({ forward: 2, backward: 2 }),
  loss(context) {
    const { delta } = fgsmDelta(context);
    return { adversarial: context.network.forward(add(context.x, delta)) };
  },
});
