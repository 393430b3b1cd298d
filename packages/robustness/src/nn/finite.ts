/** @file Which numbers are numbers: NaN and infinities must never pass for an answer. */
import { abs, gt, le, lt, sum, type Value, where } from "@gradalign/tensor";

/** The largest float32. */
export const LARGEST = 3.4028234663852886e38;

/** Where elements are neither NaN nor infinite: bool, of x's shape. */
export function finite(x: Value): Value {
  // A comparison with NaN is false.
  return le(abs(x), LARGEST);
}

/** Whether all of an example's elements are finite: x [N, ...], bool [N]. */
export function finiteExamples(x: Value): Value {
  const axes = x.shape.map((_, axis) => axis).slice(1);
  return lt(sum(where(finite(x), 0, 1), axes), 1);
}

/** x with infinities replaced by the largest numbers of their sign, and NaN by 0. */
export function toFinite(x: Value): Value {
  return where(finite(x), x, where(gt(x, 0), LARGEST, where(lt(x, 0), -LARGEST, 0)));
}
