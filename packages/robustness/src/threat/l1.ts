/** @file The l1 ball: the sum of an example's absolute changes is at most epsilon. Croce & Hein 2021, "Mind the box". */
import {
  abs,
  add,
  and,
  argmax,
  clamp,
  convert,
  div,
  eq,
  foldIn,
  gt,
  iota,
  log,
  lt,
  max,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  reshape,
  sign,
  sub,
  sum,
  uniform,
  type Value,
  where,
} from "@gradalign/tensor";
import { LARGEST } from "../nn/finite.ts";
import { bisect, byDifference } from "./bisection.ts";
import { MARGIN, perExample, pixels } from "./examples.ts";
import { fewestWays } from "./hyperplane.ts";
import type { Threat } from "./threat.ts";

/** Radius in the sum of absolute changes over all pixels of an example. */
export const l1: Threat = {
  name: "l1",
  // Of d + 1 exponential numbers the first d, divided by the sum of all and with random signs, are uniform in the ball.
  randomStart(key, shape, epsilon) {
    const exponential = (index: number, size: readonly number[]): Value => neg(log(uniform(foldIn(key, index), size, 2 ** -24, 1)));
    const sizes = exponential(0, shape);
    const total = add(l1.distance(sizes), exponential(1, shape.slice(0, 1)));
    const signs = where(lt(uniform(foldIn(key, 2), shape), 0.5), -1, 1);
    return mul(mul(sizes, signs), perExample(mul(div(1 - MARGIN, total), epsilon), sizes));
  },
  project: (delta, epsilon) => projectL1(delta, LARGEST, mul(epsilon, 1 - MARGIN)),
  within: (x, delta, epsilon) => projectL1(delta, where(gt(delta, 0), sub(1, x), x), mul(epsilon, 1 - MARGIN)),
  toHyperplane: fewestWays,
  // All of it on the pixel where it counts most, the first of equals.
  steepest(gradient) {
    const flat = reshape(gradient, [gradient.shape[0] as number, -1]);
    const largest = eq(iota(flat.shape, 1), perExample(argmax(abs(flat), 1), flat));
    return reshape(where(largest, sign(flat), 0), gradient.shape);
  },
  distance: (delta) => sum(abs(delta), pixels(delta)),
};

/**
 * The nearest perturbation, in l2, with an l1 norm of at most `radius` and no entry larger than its `room`, which has delta's shape and is
 * not negative: entry i becomes sign(delta_i) clamp(|delta_i| - a, 0, room_i) with the least a that will do.
 */
export function projectL1(delta: Value, room: Operand, radius: Operand): Value {
  const size = abs(delta);
  const left = (a: Value): Value => clamp(sub(size, perExample(a, size)), 0, room);
  const norm = (a: Value): Value => sum(left(a), pixels(delta));
  const top = max(size, pixels(delta));
  const zero = mul(top, 0);
  const { low, high } = bisect({ low: zero, high: top }, byDifference, (a) => gt(norm(a), radius));
  // Beyond `low` the norm falls linearly, by 1 for each entry that is neither used up nor held by its room.
  const free = sub(size, perExample(low, size));
  const slope = sum(convert(and(gt(free, 0), lt(free, room)), "float32"), pixels(delta));
  const root = minimum(add(low, div(maximum(sub(norm(low), radius), 0), maximum(slope, 1))), high);
  // Where entries are so large that the radius is lost beside them, the safe end of the interval counts.
  const inside = where(gt(norm(root), mul(radius, 1 + MARGIN / 2)), high, root);
  const largest = left(where(gt(norm(zero), radius), inside, zero));
  return clamp(delta, neg(largest), largest);
}
