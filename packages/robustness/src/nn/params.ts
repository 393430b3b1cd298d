/** @file Named tensors: how models hold their parameters and batch-norm statistics. */
import { ShapeError, type Value } from "@gradalign/tensor";

/** Tensors by PyTorch name, e.g. `layer1.0.bn1.weight`. */
export type Params = Readonly<Record<string, Value>>;

/**
 * The tensor of that name.
 *
 * @throws ShapeError when there is none.
 */
export function param(params: Params, name: string): Value {
  const value = params[name];
  if (value === undefined) throw new ShapeError(`model: no tensor named "${name}" among ${Object.keys(params).join(", ") || "none"}`);
  return value;
}

/** Total number of elements; counts shapes, computes nothing. */
export function countParameters(params: Params): number {
  return Object.values(params).reduce((total, { shape }) => total + shape.reduce((size, extent) => size * extent, 1), 0);
}
