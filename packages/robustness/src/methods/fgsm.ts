/** @file FGSM training without random start, the method that overfits catastrophically first. */
import { add, mul, stopGradient, type Value, zeros } from "@gradalign/tensor";
import { ascend } from "../attacks/projected-gradient.ts";
import { linf } from "../threat/linf.ts";
import type { Method, MethodContext } from "./method.ts";

/**
 * FGSM's perturbation from `start` (zero unless given), which counts as constant, and the gradient it followed, which does not.
 * The step of 1.25 epsilon is the paper's default: clipped to the ball it is epsilon from a zero start.
 */
export function fgsmDelta({ network, x, epsilon, ramp, options }: MethodContext, start?: Value): { delta: Value; gradient: Value } {
  const site = { x, threat: linf, epsilon };
  const gradient = network.boxedInputGradient(start ? add(x, start) : x);
  const delta = ascend(site, start ?? zeros(x.shape), gradient, mul(epsilon * options.stepSize, ramp));
  return { delta: stopGradient(delta), gradient };
}

/** The loss at x + FGSM's perturbation. */
export const fgsm: Method = {
  id: "fgsm",
  paper: "Goodfellow, Shlens, Szegedy 2015",
  defaults: { stepSize: 1.25 },
  warmup: "step",
  loss(context) {
    const { delta } = fgsmDelta(context);
    return { adversarial: context.network.forward(add(context.x, delta)) };
  },
};
