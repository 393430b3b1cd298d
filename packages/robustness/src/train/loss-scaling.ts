/** @file Dynamic loss scaling for multiplications in float16 (Micikevicius et al., "Mixed precision training", ICLR 2018): gradients are computed of
 * the loss times a power of two, so that small ones do not vanish; a step whose gradients overflow is skipped, and the scale halved. */
import { abs, add, and, div, full, lt, max, mul, type TreeOf, treeMap, type Value, where, zeros } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { mapParams } from "../optim/optimizer.ts";

/** What scaling carries from step to step, float32 scalars; empty where nothing is scaled. */
export interface LossScaling extends Params {
  /** Factor of the loss. */
  readonly scale: Value;
  /** Steps since the last overflow or increase. */
  readonly good: Value;
  /** Steps skipped so far. */
  readonly skipped: Value;
}

const FIRST_SCALE = 2 ** 16;
/** Steps without overflow after which the scale is doubled. */
const PATIENCE = 2000;
const LARGEST_SCALE = 2 ** 24;

export function firstScaling(): LossScaling {
  return { scale: full([], FIRST_SCALE), good: zeros([]), skipped: zeros([]) };
}

/** Gradients of the unscaled loss, and whether all are finite (a bool scalar). */
export function unscaled(grads: Params, { scale }: LossScaling): { grads: Params; finite: Value } {
  const divided = mapParams((g) => div(g, scale), grads);
  // A comparison with NaN is false.
  const finite = Object.values(divided).map((g) => lt(max(abs(g)), 3e38));
  return { grads: divided, finite: finite.reduce((a, b) => and(a, b)) };
}

/** `next` where the step's gradients were finite, else what was before it. */
export function unlessSkipped<T>(finite: Value, next: T & TreeOf<T, Value>, before: NoInfer<T>): T {
  return treeMap<T, Value>((value, old) => where(finite, value as Value, old as Value), next, before) as T;
}

/** The scaling after a step. */
export function nextScaling(finite: Value, { scale, good, skipped }: LossScaling): LossScaling {
  const counted = add(good, 1);
  const patient = lt(counted, PATIENCE);
  const grown = where(patient, scale, where(lt(scale, LARGEST_SCALE), mul(scale, 2), scale));
  return {
    scale: where(finite, grown, mul(scale, 0.5)),
    good: where(finite, where(patient, counted, 0), 0),
    skipped: add(skipped, where(finite, full([], 0), 1)),
  };
}
