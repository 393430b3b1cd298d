/** @file Cross-entropy of logits, stable for any finite logits. */
import { argmax, broadcastAlong, convert, eq, exp, iota, log, max, mean, stopGradient, sub, sum, type Value, where } from "@gradalign/tensor";

/** log sum_k exp(logits_k) - logits_label for each example: logits [N, K], integer labels [N], result [N]. */
export function crossEntropyPerExample(logits: Value, labels: Value): Value {
  const { shape } = logits;
  // Shifting by the largest logit changes nothing but keeps exp in range; the shift's derivative cancels.
  const shifted = sub(logits, broadcastAlong(stopGradient(max(logits, [1])), shape, [0]));
  const isLabel = eq(iota(shape, 1), broadcastAlong(convert(labels, "int32"), shape, [0]));
  return sub(log(sum(exp(shifted), [1])), sum(where(isLabel, shifted, 0), [1]));
}

/** Mean cross-entropy over the batch, a scalar. */
export function crossEntropy(logits: Value, labels: Value): Value {
  return mean(crossEntropyPerExample(logits, labels));
}

/** Whether the largest logit (the first of equals) is the label's: bool [N]. */
export function isCorrect(logits: Value, labels: Value): Value {
  return eq(argmax(logits, 1), convert(labels, "int32"));
}

/** Number of examples classified correctly, as a float32 scalar. */
export function countCorrect(logits: Value, labels: Value): Value {
  return sum(convert(isCorrect(logits, labels), "float32"));
}
