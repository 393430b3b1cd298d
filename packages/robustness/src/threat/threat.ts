/** @file What a threat model is: the set of perturbations an adversary may choose from, besides the box of valid images. */
import type { Operand, Shape, Value } from "@gradalign/tensor";

/** A norm ball around zero; perturbations are [N, C, H, W], one ball per example. */
export interface Threat {
  readonly name: string;
  /** A random point of the ball of radius `epsilon`. */
  randomStart(key: Value, shape: Shape, epsilon: Operand): Value;
  /** The nearest point of the ball. */
  project(delta: Value, epsilon: Operand): Value;
  /** The unit step along which a linear loss with this gradient rises fastest; zero where the gradient is. */
  steepest(gradient: Value): Value;
  /** The norm of each example's perturbation: [N]. */
  distance(delta: Value): Value;
}
