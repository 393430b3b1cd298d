/** @file Sizes of weights in the single-layer network (figures 5 to 7); a perturbation's size is its threat's `distance`. */
import { reshape, sqrt, square, sum, type Value } from "@gradalign/tensor";

/** Euclidean norm of each filter of a convolution's weight [K, C, R, S]: [K]. */
export function filterNorms(weight: Value): Value {
  return sqrt(sum(square(weight), [1, 2, 3]));
}

/** Euclidean norm of the linear weights [classes, K * positions] that read each of the K feature maps: [K]. */
export function outgoingNorms(weight: Value, filters: number): Value {
  const [classes, features] = weight.shape as [number, number];
  return sqrt(sum(square(reshape(weight, [classes, filters, features / filters])), [0, 2]));
}
