/** @file The l2 ball: the Euclidean norm of an example's perturbation is at most epsilon. */
import { abs, and, div, exp, foldIn, ge, gt, log, max, mul, normal, sqrt, square, sum, uniform, type Value, where } from "@gradalign/tensor";
import { finite } from "../nn/finite.ts";
import { boxDelta } from "./box.ts";
import { MARGIN, perExample } from "./examples.ts";
import { weightedWays } from "./hyperplane.ts";
import type { Threat } from "./threat.ts";

const AXES = [1, 2, 3];
/** The least normal float32: what is smaller counts as zero. */
const SMALLEST = 2 ** -126;

/** Radius in Euclidean norm over all pixels of an example. */
export const l2: Threat = {
  name: "l2",
  // A normal vector's direction is uniform on the sphere; radius u^(1/d) makes the point uniform in the ball.
  randomStart(key, shape, epsilon) {
    const direction = l2.steepest(normal(foldIn(key, 0), shape));
    const dimensions = shape.slice(1).reduce((product, extent) => product * extent, 1);
    const u = uniform(foldIn(key, 1), shape.slice(0, 1), 2 ** -24, 1);
    return mul(direction, perExample(mul(exp(div(log(u), dimensions)), epsilon), direction));
  },
  project(delta, epsilon) {
    const norm = l2.distance(delta);
    const radius = mul(epsilon, 1 - MARGIN);
    const outside = gt(norm, radius);
    return mul(delta, perExample(where(outside, div(radius, where(outside, norm, 1)), 1), delta));
  },
  // Into the ball, then into the box, which leads no farther from its centre: not the nearest point of both, but what APGD takes.
  within: (x, delta, epsilon) => boxDelta(x, l2.project(delta, epsilon)),
  toHyperplane: weightedWays,
  steepest(gradient) {
    const { scaled, length, known } = scaledNorm(gradient);
    return mul(scaled, perExample(where(known, div(1, length), 0), gradient));
  },
  distance(delta) {
    const { largest, length } = scaledNorm(delta);
    return mul(largest, length);
  },
};

/**
 * Vectors divided by their largest entry, whose squares neither underflow nor overflow, and the norm of that: the norm is `largest` times
 * `length`. Where it is not known, because all entries are 0 or one is not finite, `scaled` is the vector itself and `length` is 1.
 */
function scaledNorm(v: Value): { scaled: Value; largest: Value; length: Value; known: Value } {
  const largest = max(abs(v), AXES);
  const known = and(ge(largest, SMALLEST), finite(largest));
  const scaled = div(v, perExample(where(known, largest, 1), v));
  return { scaled, largest, length: where(known, sqrt(sum(square(scaled), AXES)), 1), known };
}
