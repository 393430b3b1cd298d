/** @file Cross-entropy of logits, stable for any finite logits. */
import {
  add,
  and,
  argmax,
  broadcastAlong,
  convert,
  eq,
  exp,
  gt,
  iota,
  log,
  max,
  mean,
  mul,
  type Operand,
  stopGradient,
  sub,
  sum,
  type Value,
  where,
} from "@gradalign/tensor";
import { finiteExamples, LARGEST } from "./finite.ts";
import { logSoftmax } from "./softmax.ts";

/** Classes of examples, int32 [N]: of integer labels [N] these, of shares of all classes [N, K] the one with the largest. */
function classesOf(labels: Value): Value {
  return labels.shape.length === 2 ? argmax(labels, 1) : convert(labels, "int32");
}

/** Where the label's logit stands: bool, the shape of logits [N, K]; labels are integers [N], or shares of the classes [N, K]. */
export function isLabel({ shape }: Pick<Value, "shape">, labels: Value): Value {
  return eq(iota(shape, 1), broadcastAlong(classesOf(labels), shape, [0]));
}

/**
 * log sum_k exp(logits_k) - logits_label for each example: logits [N, K], integer labels [N], result [N]. Labels may be shares of the classes,
 * float32 [N, K] with rows that add up to 1: then the mean of the classes' losses with these weights.
 */
export function crossEntropyPerExample(logits: Value, labels: Value): Value {
  const { shape } = logits;
  // Shifting by the largest logit changes nothing but keeps exp in range; the shift's derivative cancels.
  const shifted = sub(logits, broadcastAlong(stopGradient(max(logits, [1])), shape, [0]));
  const own = (): Value => (labels.shape.length === 2 ? mul(labels, shifted) : where(isLabel(logits, labels), shifted, 0));
  return sub(log(sum(exp(shifted), [1])), sum(own(), [1]));
}

/** The same with a `share` of the label given to all classes alike (Szegedy et al. 2016, section 7): [N]. */
export function smoothedCrossEntropyPerExample(logits: Value, labels: Value, share: Operand): Value {
  return sub(mul(crossEntropyPerExample(logits, labels), sub(1, share)), mul(mean(logSoftmax(logits), [1]), share));
}

/** Margin of the label's logit over the others beyond which the cross-entropy's gradient, of size exp(-margin), is lost to float32. */
const LOST = 64;

/**
 * A loss of each example whose gradient points where the cross-entropy's does, but does not vanish with the model's confidence: [N].
 *
 * Up to a margin of 64 it is the cross-entropy; beyond, the logarithm of the odds, whose gradient is the cross-entropy's divided by the
 * other classes' probability. What only follows a gradient's direction should follow this one.
 */
export function ascentLossPerExample(logits: Value, labels: Value): Value {
  const { shape } = logits;
  const losses = crossEntropyPerExample(logits, labels);
  if (shape[1] === 1) return losses;
  const place = isLabel(logits, labels);
  const own = sum(where(place, logits, 0), [1]);
  const rival = stopGradient(max(where(place, -LARGEST, logits), [1]));
  const behind = where(place, 0, sub(logits, broadcastAlong(rival, shape, [0])));
  const odds = sub(add(log(sum(where(place, 0, exp(behind)), [1])), rival), own);
  return where(gt(stopGradient(sub(own, rival)), LOST), odds, losses);
}

/** Mean cross-entropy over the batch, a scalar. */
export function crossEntropy(logits: Value, labels: Value): Value {
  return mean(crossEntropyPerExample(logits, labels));
}

/** Whether the largest logit (the first of equals) is the label's: bool [N]. With a logit that is not finite no answer is right. */
export function isCorrect(logits: Value, labels: Value): Value {
  return and(eq(argmax(logits, 1), classesOf(labels)), finiteExamples(logits));
}

/** Number of examples classified correctly, as a float32 scalar. */
export function countCorrect(logits: Value, labels: Value): Value {
  return sum(convert(isCorrect(logits, labels), "float32"));
}
