/** @file Gradient alignment (Eq. 5): how linear the loss is around the images. It drops when FGSM overfits catastrophically. */
import { and, convert, div, sum, type Value, where } from "@gradalign/tensor";
import { type Cosines, cosineSimilarity } from "../nn/cosine-similarity.ts";
import { finite } from "../nn/finite.ts";

/**
 * Cosine between corresponding examples of two batches [N, C, H, W], and where it is defined: where neither is zero and both are finite.
 * With input gradients at x and at x + eta it is Eq. 5; with perturbations it compares attacks. (The paper's code counts an undefined
 * cosine as 1, so that a model without gradients looks perfectly aligned.)
 */
export function alignment(a: Value, b: Value): Cosines {
  const { cosine, defined } = cosineSimilarity(a, b);
  const known = and(defined, finite(cosine));
  return { cosine: where(known, cosine, 0), defined: known };
}

/** Mean of {@link alignment} over the examples of the batch where it is defined; NaN if there is none. */
export function gradientAlignment(a: Value, b: Value): Value {
  const { cosine, defined } = alignment(a, b);
  return div(sum(cosine), sum(convert(defined, "float32")));
}
