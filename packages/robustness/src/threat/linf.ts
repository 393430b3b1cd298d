/** @file The l-infinity ball: every pixel may change by epsilon. The paper's threat model. */
import { abs, gt, lt, max, mul, sign, uniform, where } from "@gradalign/tensor";
import { boxDelta } from "./box.ts";
import { equalWays } from "./hyperplane.ts";
import type { Threat } from "./threat.ts";

/** Radius in pixel units, for instance 8/255. */
export const linf: Threat = {
  name: "linf",
  randomStart: (key, shape, epsilon) => mul(uniform(key, shape, -1, 1), epsilon),
  // Comparisons: minimum and maximum, with their rules for NaN and signed zeros, cost several instructions where the radius is no constant.
  project(delta, epsilon) {
    const lowest = mul(epsilon, -1);
    return where(lt(delta, lowest), lowest, where(gt(delta, epsilon), epsilon, delta));
  },
  within: (x, delta, epsilon) => boxDelta(x, linf.project(delta, epsilon)),
  toHyperplane: equalWays,
  steepest: sign,
  distance: (delta) => max(abs(delta), [1, 2, 3]),
};
