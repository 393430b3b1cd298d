/** @file Gradients of single examples, on whose size and change regularisers are built. */
import { mul, stopGradient, sum, type Value, zeros } from "@gradalign/tensor";
import { ascend } from "../attacks/projected-gradient.ts";
import type { NumberOption } from "../options/option.ts";
import { boxedGradient } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import type { MethodContext } from "./method.ts";

/**
 * Gradients of the examples' own losses at `point`: [N, C, H, W], differentiable. The network's are of the mean loss, and N times smaller;
 * undoing that makes a regulariser's weight independent of the batch size.
 */
export function exampleGradients({ network }: Pick<MethodContext, "network">, point: Value): Value {
  return mul(network.inputGradient(point), point.shape[0] as number);
}

/** FGSM's perturbation, a constant, given the gradient at x. */
export function fgsmDeltaOf({ x, epsilon, ramp, options }: MethodContext<{ readonly stepSize: NumberOption<"length"> }>, gradient: Value): Value {
  const step = mul(options.stepSize, ramp);
  return stopGradient(ascend({ x, threat: linf, epsilon }, zeros(x.shape), boxedGradient(gradient, x), step));
}

/** Inner products of corresponding examples: [N]. */
export function exampleDots(a: Value, b: Value): Value {
  return sum(mul(a, b), [1, 2, 3]);
}
