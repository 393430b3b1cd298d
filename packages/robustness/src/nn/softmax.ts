/** @file Probabilities of classes from logits, stable for any finite logits. */
import { broadcastAlong, exp, log, max, mul, stopGradient, sub, sum, type Value } from "@gradalign/tensor";

/** Logarithms of the classes' probabilities: logits [N, K], result [N, K]. */
export function logSoftmax(logits: Value): Value {
  const perClass = (values: Value): Value => broadcastAlong(values, logits.shape, [0]);
  // Shifting by the largest logit changes nothing but keeps exp in range; the shift's derivative cancels.
  const shifted = sub(logits, perClass(stopGradient(max(logits, [1]))));
  return sub(shifted, perClass(log(sum(exp(shifted), [1]))));
}

/** Probabilities of the classes, [N, K]. */
export function softmax(logits: Value): Value {
  return exp(logSoftmax(logits));
}

/** Kullback–Leibler divergence of q from p for each example, given both as logarithms [N, K]: sum p (log p − log q), [N]. */
export function divergence(logP: Value, logQ: Value): Value {
  return sum(mul(exp(logP), sub(logP, logQ)), [1]);
}
