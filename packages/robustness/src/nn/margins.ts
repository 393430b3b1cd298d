/** @file Losses made of differences of logits, which do not vanish with the model's confidence: what attacks climb instead of cross-entropy. */
import {
  add,
  argmax,
  broadcastAlong,
  clamp,
  convert,
  div,
  eq,
  exp,
  iota,
  log,
  mul,
  neg,
  type Operand,
  or,
  ShapeError,
  stopGradient,
  sub,
  sum,
  type Value,
  where,
} from "@gradalign/tensor";
import { LARGEST } from "./finite.ts";

/** Keeps DLR's denominators from being 0. */
const TINY = 1e-12;

/** Beyond it exp leaves float32. */
const OVERFLOWS = 80;

/** max_{k ≠ label} logits_k - logits_label of each example: logits [N, K], labels [N], result [N]; above 0 where the label has lost. */
export function marginPerExample(logits: Value, labels: Value): Value {
  checkClasses("marginPerExample", logits);
  const own = oneHot(labels, logits);
  return sub(at(logits, best(logits, own)), at(logits, own));
}

/** logits_target - logits_label of each example, [N]. */
export function targetMarginPerExample(logits: Value, labels: Value, targets: Value): Value {
  return sub(at(logits, oneHot(targets, logits)), at(logits, oneHot(labels, logits)));
}

/**
 * The difference of logits ratio, [N]: the margin over z_1 - z_3, where z_k is the k-th largest logit (Croce & Hein 2020, equation 5).
 * It does not change when logits are scaled or shifted. With two classes there is no third, and it is the margin itself.
 */
export function dlrPerExample(logits: Value, labels: Value): Value {
  const margin = marginPerExample(logits, labels);
  if (classes(logits) < 3) return margin;
  const [first, , third] = largest(logits, 3) as [Value, Value, Value];
  return div(margin, add(sub(first, third), TINY));
}

/**
 * The same towards a class, [N]: logits_target - logits_label over z_1 - (z_3 + z_4) / 2 (Croce & Hein 2020, equation 7). With fewer than
 * four classes it is the numerator.
 */
export function targetedDlrPerExample(logits: Value, labels: Value, targets: Value): Value {
  checkClasses("targetedDlrPerExample", logits);
  const margin = targetMarginPerExample(logits, labels, targets);
  if (classes(logits) < 4) return margin;
  const [first, , third, fourth] = largest(logits, 4) as [Value, Value, Value, Value];
  return div(margin, add(sub(first, mul(add(third, fourth), 0.5)), TINY));
}

/**
 * A loss of each example, [N], whose gradient is that of rival · p_max - own · p_label over 1 - p_label, where p_max is the largest
 * probability of another class. So it points where that one's does, but does not vanish with the model's confidence. The loss's value says
 * nothing: it is linear in the logits. Xie et al. 2025, equation 4, with both weights 1.
 */
export function probabilityMarginAscent(logits: Value, labels: Value, { rival, own }: { readonly rival: Operand; readonly own: Operand }): Value {
  checkClasses("probabilityMarginAscent", logits);
  const { shape } = logits;
  const spread = (v: Value): Value => broadcastAlong(v, shape, [0]);
  const known = stopGradient(logits);
  const label = oneHot(labels, known);
  const top = best(known, label);
  // Each other class's part of what the label leaves.
  const behind = exp(where(label, -LARGEST, sub(known, spread(at(known, top)))));
  const total = sum(behind, [1]);
  const part = div(behind, spread(total));
  const odds = clamp(sub(sub(at(known, label), at(known, top)), log(total)), -OVERFLOWS, OVERFLOWS);
  const [pLabel, rest] = [div(1, add(1, exp(neg(odds)))), div(1, add(1, exp(odds)))];
  const pMax = mul(rest, at(part, top));
  const [wonBy, lostBy] = [mul(rival, pMax), mul(own, pLabel)];
  const others = mul(part, spread(sub(lostBy, wonBy)));
  const slope = where(label, spread(neg(mul(pLabel, add(mul(rival, at(part, top)), own)))), add(others, where(top, mul(part, rival), 0)));
  return sum(mul(slope, logits), [1]);
}

/** The largest logits of each example in order, each [N]; equal ones count as often as they are there, the first of them first. */
function largest(logits: Value, count: number): Value[] {
  let taken: Value | null = null;
  return Array.from({ length: count }, () => {
    const place = best(logits, taken);
    taken = taken ? or(taken, place) : place;
    return at(logits, place);
  });
}

/** Where the largest logit is that is not `taken`: bool [N, K], once per example. */
function best(logits: Value, taken: Value | null): Value {
  return oneHot(argmax(taken ? where(taken, -LARGEST, logits) : logits, 1), logits);
}

function oneHot(indices: Value, logits: Value): Value {
  return eq(iota(logits.shape, 1), broadcastAlong(convert(indices, "int32"), logits.shape, [0]));
}

function at(logits: Value, place: Value): Value {
  return sum(where(place, logits, 0), [1]);
}

function classes(logits: Value): number {
  return logits.shape[1] as number;
}

function checkClasses(name: string, { shape }: Value): void {
  if ((shape[1] as number) < 2) throw new ShapeError(`${name}: logits must be of at least 2 classes, got [${shape.join(", ")}]`);
}
