/** @file Gradient alignment (Eq. 5): how linear the loss is around the images. It drops when FGSM overfits catastrophically. */
import { mean, type Value, where } from "@gradalign/tensor";
import { cosineSimilarity } from "../nn/cosine-similarity.ts";

/**
 * Cosine between corresponding examples of two batches [N, C, H, W]: [N]; an undefined cosine counts as 1 (paper's code).
 * With input gradients at x and at x + eta it is Eq. 5; with perturbations it compares attacks.
 */
export function alignment(a: Value, b: Value): Value {
  const { cosine, defined } = cosineSimilarity(a, b);
  return where(defined, cosine, 1);
}

/** Mean of {@link alignment} over the batch. */
export function gradientAlignment(a: Value, b: Value): Value {
  return mean(alignment(a, b));
}
