/** @file Cosine similarity between examples' gradients, safe where a gradient vanishes. */
import { abs, and, broadcastAlong, convert, div, ge, max, maximum, mul, sqrt, square, stopGradient, sum, type Value, where } from "@gradalign/tensor";

/** Entries all smaller than this count as a zero vector: their squares would underflow in float32, as they do in the paper's code. */
const SMALLEST = 2 ** -100;

/** Cosines of corresponding examples. */
export interface Cosines {
  /** [N]; 0 where undefined. */
  readonly cosine: Value;
  /** bool [N]: both vectors are non-zero. */
  readonly defined: Value;
}

/**
 * The cosine between a_i and b_i flattened, for each example i; a and b have the shape [N, ...].
 *
 * There is no epsilon in the denominator (paper's code). An undefined cosine is replaced before any root or quotient is taken, so
 * neither it nor its derivatives of any order are NaN. Each vector is first divided by its largest entry: the cosine does not
 * depend on it, and gradients of confident examples (1e-20 and below) neither underflow nor overflow on the way.
 */
export function cosineSimilarity(a: Value, b: Value): Cosines {
  const axes = a.shape.map((_, axis) => axis).slice(1);
  const largestA = max(abs(stopGradient(a)), axes);
  const largestB = max(abs(stopGradient(b)), axes);
  const defined = and(ge(largestA, SMALLEST), ge(largestB, SMALLEST));
  const scaled = (v: Value, largest: Value): Value => div(v, broadcastAlong(where(defined, largest, 1), v.shape, [0]));
  const u = scaled(a, largestA);
  const v = scaled(b, largestB);
  const norm = (w: Value): Value => sqrt(where(defined, sum(square(w), axes), 1));
  const cosine = where(defined, div(sum(mul(u, v), axes), mul(norm(u), norm(v))), 0);
  return { cosine, defined };
}

/** Mean cosine over the examples where it is defined, and their number; the mean is `fallback` if there are none. */
export function meanCosine(a: Value, b: Value, fallback: number): Value {
  const { cosine, defined } = cosineSimilarity(a, b);
  const count = sum(convert(defined, "float32"));
  return where(ge(count, 1), div(sum(cosine), maximum(count, 1)), fallback);
}
