/** @file The box of valid images, [0, 1] per pixel. */
import { add, and, clamp, gt, lt, stopGradient, sub, type Value, where } from "@gradalign/tensor";

/** The perturbation after clipping x + delta to [0, 1]. */
export function boxDelta(x: Value, delta: Value): Value {
  return sub(clamp(add(x, delta), 0, 1), x);
}

/** A gradient at `point`, with zeros where a pixel is not strictly inside the box: what the gradient through {@link saturatingClamp} is. */
export function boxedGradient(gradient: Value, point: Value): Value {
  return where(and(gt(point, 0), lt(point, 1)), gradient, 0);
}

/**
 * x limited to [0, 1], with derivative 1 strictly inside and 0 at 0, at 1 and beyond.
 *
 * So the paper's attack sees the box: its clamp was built of elementwise max and min, which in torch 1.4 gave a pixel of exactly
 * 0 or 1 no gradient. FGSM therefore leaves saturated pixels alone, and GradAlign's clean gradient is zero there.
 */
export function saturatingClamp(x: Value): Value {
  return where(and(gt(x, 0), lt(x, 1)), x, stopGradient(clamp(x, 0, 1)));
}
