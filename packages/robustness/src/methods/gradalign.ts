/** @file GradAlign (Eq. 7): gradients at an image and at a random neighbour should point the same way. */

import { mul, sub, type Value } from "@gradalign/tensor";
import { meanCosine } from "../nn/cosine-similarity.ts";

/**
 * lambda (1 - mean cos(g1, g2)), a scalar; examples with a zero gradient do not count, and without any other the penalty is 0.
 * Gradients are [N, C, H, W].
 */
export function gradAlignPenalty(g1: Value, g2: Value, lambda: number): Value {
  return mul(lambda, sub(1, meanCosine(g1, g2, 1)));
}
