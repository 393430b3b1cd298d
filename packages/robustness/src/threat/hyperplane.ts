/**
 * @file The shortest way to a hyperplane inside the box of images, in each norm: the heart of FAB (Croce & Hein 2020, "Minimally distorted
 * adversarial examples with a fast adaptive boundary attack", section 3.1).
 */
import { abs, add, and, clamp, div, ge, gt, le, lt, max, maximum, minimum, mul, sign, sub, sum, type Value, where } from "@gradalign/tensor";
import { bisect, byRatio } from "./bisection.ts";
import { perExample, pixels } from "./examples.ts";
import type { HyperplaneProjection } from "./threat.ts";

/** Pixels whose weight is no larger than this part of the largest do not move. */
const NEGLIGIBLE = 1e-8;
/** What is missing times the slope is then less than 4e-9 of what it was; most often four or five steps leave nothing but rounding. */
const NEWTON_STEPS = 14;
/** The least normal float32: what is smaller is not divided by. */
const SMALLEST = 2 ** -126;

/** The hyperplane as it is seen from the images. */
interface View {
  /** |w|, divided by its largest entry; 0 for pixels that do not move. */
  readonly weight: Value;
  /** How far each pixel can go towards the hyperplane. */
  readonly room: Value;
  /** What the sum of weights times ways has to be, [N]: less than with all ways as far as there is room. */
  readonly goal: Value;
}

/** Every pixel moves as far as the others, or to its border: the way of least l-infinity norm. */
export const equalWays: HyperplaneProjection = projection((view) => proportional(view, where(gt(view.weight, 0), 1, 0)));

/** Every pixel moves in proportion to its weight, or to its border: the way of least l2 norm. */
export const weightedWays: HyperplaneProjection = projection((view) => proportional(view, view.weight));

/** The pixels of the largest weights move to their borders, the last of them part of the way: the way of least l1 norm. */
export const fewestWays: HyperplaneProjection = projection(({ weight, room, goal }) => {
  const above = (threshold: Value): Value => gt(weight, perExample(threshold, weight));
  const gain = (moving: Value): Value => total(where(moving, mul(weight, room), 0));
  const ends = { low: add(mul(goal, 0), NEGLIGIBLE), high: add(mul(goal, 0), 1) };
  const { low, high } = bisect(ends, byRatio, (threshold) => gt(gain(above(threshold)), goal));
  const whole = above(high);
  const part = and(above(low), le(weight, perExample(high, weight)));
  const share = clamp(div(sub(goal, gain(whole)), atLeast(gain(part), SMALLEST)), 0, 1);
  return where(whole, room, where(part, mul(room, perExample(share, room)), 0));
});

/** A projection, given how far each pixel goes where the hyperplane can be reached; elsewhere all go as far as they can. */
function projection(ways: (view: View) => Value): HyperplaneProjection {
  return (x, w, residual) => {
    const scale = atLeast(max(abs(w), pixels(x)), SMALLEST);
    const direction = div(mul(w, perExample(where(ge(residual, 0), -1, 1), w)), perExample(scale, w));
    const weight = where(gt(abs(direction), NEGLIGIBLE), abs(direction), 0);
    const room = where(gt(weight, 0), where(gt(direction, 0), sub(1, x), x), 0);
    const goal = div(abs(residual), scale);
    const reached = lt(goal, total(mul(weight, room)));
    return mul(sign(direction), where(perExample(reached, room), ways({ weight, room, goal }), room));
  };
}

/**
 * Ways min(t pace, room). What they gain grows with t, ever more slowly, so Newton's steps from below never go too far. What is missing
 * times the slope shrinks to a quarter or less with each, and with the last pixel at its border nothing is missing.
 */
function proportional({ weight, room, goal }: View, pace: Value): Value {
  const ways = (t: Value): Value => minimum(mul(perExample(t, pace), pace), room);
  let t = mul(goal, 0);
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const missing = sub(goal, total(mul(weight, ways(t))));
    const slope = total(where(lt(ways(t), room), mul(weight, pace), 0));
    t = add(t, div(atLeast(missing, 0), where(gt(slope, 0), slope, 1)));
  }
  return ways(t);
}

function total(v: Value): Value {
  return sum(v, pixels(v));
}

function atLeast(v: Value, least: number): Value {
  return maximum(v, least);
}
