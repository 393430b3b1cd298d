/** @file A step along the gradient's signs from a random point: what FGSM-RS's descendants have in common. */
import { add, mul, type Operand, sign, stopGradient, type Value } from "@gradalign/tensor";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import type { MethodContext } from "./method.ts";
import type { InputPass } from "./network.ts";

/** How far the step's parts go, in pixel units. */
export interface NoiseStepSizes {
  /** Radius of the noise. */
  readonly noise: Operand;
  readonly stepSize: Operand;
  /** Whether the result is clipped to the ball; to the box it always is. */
  readonly projected: boolean;
  /** What of the gradient is followed; all of it unless set. */
  readonly followed?: (gradient: Value) => Value;
}

/** Where a step began, what the network said there, and where it ended: perturbations, the last a constant. */
export interface NoiseStep {
  readonly start: Value;
  readonly pass: InputPass;
  readonly delta: Value;
}

/**
 * Uniform noise, clipped to the box, then a step along the signs of the gradient there. Pixels on the box's border are not left alone, as
 * FGSM of the paper leaves them: these methods' gradients do not pass through the clip. A warm-up shortens noise and step.
 */
export function noiseStep(context: Pick<MethodContext, "network" | "x" | "epsilon" | "ramp" | "key">, sizes: NoiseStepSizes): NoiseStep {
  const { network, x, epsilon, ramp, key } = context;
  const { noise, stepSize, projected, followed = (gradient) => gradient } = sizes;
  const start = boxDelta(x, linf.randomStart(key, x.shape, mul(noise, ramp)));
  const pass = network.inputPass(add(x, start));
  const moved = add(start, mul(sign(followed(pass.gradient)), mul(stepSize, ramp)));
  return { start, pass, delta: stopGradient(boxDelta(x, projected ? linf.project(moved, epsilon) : moved)) };
}
