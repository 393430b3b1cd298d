/** @file Where a monotone condition changes, per example, by halving an interval a fixed number of times: what others sort for. */
import { add, mul, sqrt, type Value, where } from "@gradalign/tensor";

/** After so many halvings an interval, or the logarithm of its ends' ratio, is as narrow as float32 tells numbers apart. */
const STEPS = 28;

/** An interval for each example; both ends are [N]. */
export interface Interval {
  readonly low: Value;
  readonly high: Value;
}

/** Halves by the difference: what is left is small beside the interval one began with. */
export const byDifference = ({ low, high }: Interval): Value => mul(add(low, high), 0.5);

/** Halves by the ratio: what is left is small beside the ends themselves, which must not be negative. */
export const byRatio = ({ low, high }: Interval): Value => mul(sqrt(low), sqrt(high));

/** Narrows an interval to the place where `before` turns from true to false; it is taken to hold at `low` and not at `high`. */
export function bisect(interval: Interval, middle: (interval: Interval) => Value, before: (at: Value) => Value): Interval {
  let narrowed = interval;
  for (let step = 0; step < STEPS; step++) {
    const at = middle(narrowed);
    const left = before(at);
    narrowed = { low: where(left, at, narrowed.low), high: where(left, narrowed.high, at) };
  }
  return narrowed;
}
