/** @file Tensors that a method keeps for every training image: taken as the batch's images are, and written back. */
import { gather, grad, gt, mul, ones, sum, type Value, where, zeros } from "@gradalign/tensor";

/**
 * A tensor [examples, …] with `values` where `taken`, a choice of its elements each at most once, took them from. The derivative of taking is
 * putting back.
 */
export function putBack(kept: Value, values: Value, taken: (table: Value) => Value): Value {
  const put = (source: Value): Value => grad((table: Value) => sum(mul(taken(table), source)))(zeros(kept.shape));
  return where(gt(put(ones(values.shape)), 0), put(values), kept);
}

/** Takes the rows of these images as they are stored. */
export function rowsTaken(rows: Value): (table: Value) => Value {
  return (table) => gather(table, [rows]);
}
