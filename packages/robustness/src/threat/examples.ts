/** @file Numbers per example and the axes of its pixels: what every norm is made of. */
import { broadcastAlong, type Value } from "@gradalign/tensor";

/**
 * A projected point is so much inside the ball of l1 or l2, relative to the radius, that rounding while its norm is taken does not lead out
 * of it.
 */
export const MARGIN = 2 ** -16;

/** The axes of one example: all but the first. */
export function pixels({ shape }: Value): number[] {
  return shape.map((_, axis) => axis).slice(1);
}

/** Numbers [N] spread over the pixels of [N, ...]. */
export function perExample(v: Value, like: Value): Value {
  return broadcastAlong(v, like.shape, [0]);
}
