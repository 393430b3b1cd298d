/** @file The l2 ball: the Euclidean norm of an example's perturbation is at most epsilon. */
import { broadcastAlong, div, exp, foldIn, gt, log, minimum, mul, normal, sqrt, square, sum, uniform, type Value, where } from "@gradalign/tensor";
import type { Threat } from "./threat.ts";

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
    const shrink = where(gt(norm, 0), minimum(div(epsilon, where(gt(norm, 0), norm, 1)), 1), 1);
    return mul(delta, perExample(shrink, delta));
  },
  steepest(gradient) {
    const norm = l2.distance(gradient);
    return mul(gradient, perExample(where(gt(norm, 0), div(1, where(gt(norm, 0), norm, 1)), 0), gradient));
  },
  distance: (delta) => sqrt(sum(square(delta), [1, 2, 3])),
};

function perExample(v: Value, like: Value): Value {
  return broadcastAlong(v, like.shape, [0]);
}
