/** @file What a threat model is: the set of perturbations an adversary may choose from, besides the box of valid images. */
import type { Operand, Shape, Value } from "@gradalign/tensor";

/**
 * The way from images x, [N, C, H, W], to the hyperplane w · x = b of each that is shortest in the norm and stays in the box; where the
 * hyperplane does not meet the box, the way to the corner nearest to it. `residual` is w · x - b, [N]: the caller knows it, for instance as
 * a difference of logits, while the difference of the two would cancel.
 */
export type HyperplaneProjection = (x: Value, w: Value, residual: Value) => Value;

/** A norm ball around zero; perturbations are [N, C, H, W], one ball per example. */
export interface Threat {
  readonly name: string;
  /** A random point of the ball of radius `epsilon`. */
  randomStart(key: Value, shape: Shape, epsilon: Operand): Value;
  /** The nearest point of the ball. */
  project(delta: Value, epsilon: Operand): Value;
  /** A point of ball and box: `x + delta` is in [0, 1]; the nearest one in l1 and l-infinity. */
  within(x: Value, delta: Value, epsilon: Operand): Value;
  readonly toHyperplane: HyperplaneProjection;
  /** The unit step along which a linear loss with this gradient rises fastest; zero where the gradient is. */
  steepest(gradient: Value): Value;
  /** The norm of each example's perturbation: [N]. */
  distance(delta: Value): Value;
}
