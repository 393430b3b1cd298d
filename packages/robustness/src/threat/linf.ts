/** @file The l-infinity ball: every pixel may change by epsilon. The paper's threat model. */
import { abs, max, maximum, minimum, mul, sign, uniform } from "@gradalign/tensor";
import { boxDelta } from "./box.ts";
import { equalWays } from "./hyperplane.ts";
import type { Threat } from "./threat.ts";

/** Radius in pixel units, for instance 8/255. */
export const linf: Threat = {
  name: "linf",
  randomStart: (key, shape, epsilon) => mul(uniform(key, shape, -1, 1), epsilon),
  project: (delta, epsilon) => maximum(minimum(delta, epsilon), mul(epsilon, -1)),
  within: (x, delta, epsilon) => boxDelta(x, linf.project(delta, epsilon)),
  toHyperplane: equalWays,
  steepest: sign,
  distance: (delta) => max(abs(delta), [1, 2, 3]),
};
