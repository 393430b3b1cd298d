/** @file Reductions, movement of elements, constants and linear algebra. */
import type { DType } from "../base/dtype.ts";
import { ShapeError } from "../base/errors.ts";
import { checkInteger, checkIntegers } from "../base/numbers.ts";
import { formatShape, normalizeAxes, normalizeAxis, type Shape, sizeOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import * as build from "../ops/build.ts";
import { keptAxes } from "../ops/reduce.ts";
import { align, broadcastTo, toValue } from "./broadcasting.ts";
import { mul, where } from "./math.ts";
import type { Operand, Value } from "./tensor.ts";

export { broadcastTo };

/** A value of that shape, all 0. */
export function zeros(shape: Shape, dtype: DType = "float32"): Value {
  return build.full(shape, 0, dtype);
}
/** A value of that shape, all 1. */
export function ones(shape: Shape, dtype: DType = "float32"): Value {
  return build.full(shape, 1, dtype);
}
/** A value of that shape, all equal to `value`. */
export function full(shape: Shape, value: number, dtype: DType = "float32"): Value {
  return build.full(shape, value, dtype);
}
/** The index along an axis, as int32. */
export function iota(shape: Shape, axis = 0): Value {
  return build.iota(shape, normalizeAxis("iota", axis, shape.length));
}

/** Options of reductions. */
export interface ReduceOptions {
  /** Keep reduced axes with extent 1. */
  readonly keepDims?: boolean;
}

/** Bytes compute as int32. */
function widen(x: Value): Value {
  return x.dtype === "bool" || x.dtype === "uint8" ? build.convert(x, "int32") : x;
}

function reducer(name: string, make: (x: Node, axes: readonly number[]) => Node) {
  return (x: Operand, axes?: readonly number[], { keepDims = false }: ReduceOptions = {}): Value => {
    const value = widen(toValue(name, x));
    const list = axes ? normalizeAxes(name, axes, value.shape.length) : value.shape.map((_, axis) => axis);
    const result = make(value, list);
    return keepDims
      ? build.reshape(
          result,
          value.shape.map((extent, axis) => (list.includes(axis) ? 1 : extent)),
        )
      : result;
  };
}

/** Sum over axes (all by default); bool and uint8 are summed as int32. */
export const sum = reducer("sum", build.sum);
/** Largest element over axes (all by default); ties share the derivative evenly. */
export const max = reducer("max", build.max);
/** Smallest element over axes (all by default); ties share the derivative evenly. */
export const min = reducer("min", build.min);
/** Arithmetic mean over axes (all by default), in float32. */
export const mean = reducer("mean", (x, axes) => {
  const count = axes.reduce((n, axis) => n * x.shape[axis]!, 1);
  return mul(build.sum(build.convert(x, "float32"), axes), 1 / count);
});

/** Index of the first largest element along an axis, as int32; NaN counts as largest, as in NumPy and PyTorch. */
export function argmax(x: Value, axis = -1): Value {
  const at = normalizeAxis("argmax", axis, x.shape.length);
  const extent = x.shape[at]!;
  if (extent === 0) throw new ShapeError(`argmax: an empty axis has no maximum, got axis ${at} of ${formatShape(x.shape)}`);
  const value = widen(x);
  const top = build.broadcast(build.max(value, [at]), x.shape, keptAxes(x.shape.length, [at]));
  const equal = build.eq(value, top);
  // A row with a NaN has a NaN maximum, which equals nothing.
  const hit = value.dtype === "float32" ? build.or(equal, build.not(build.eq(value, value))) : equal;
  return build.min(where(hit, build.iota(x.shape, at), extent), [at]);
}

/** The same elements in row-major order under another shape; one extent may be -1 and follows from the others. */
export function reshape(x: Value, shape: Shape): Value {
  const unknown = shape.indexOf(-1);
  if (unknown < 0) return build.reshape(x, shape);
  const known = shape.reduce((n, extent) => (extent === -1 ? n : n * extent), 1);
  if (sizeOf(x.shape) % known !== 0) {
    throw new ShapeError(`reshape: the elements of ${formatShape(x.shape)} do not divide evenly into ${formatShape(shape)}`);
  }
  return build.reshape(
    x,
    shape.map((extent, axis) => (axis === unknown ? sizeOf(x.shape) / known : extent)),
  );
}
/** Repeats `x` up to `shape`, its axis i becoming axis `axes[i]` (ascending): a per-channel [C] spreads over NCHW with axes [1]. */
export function broadcastAlong(x: Value, shape: Shape, axes: readonly number[]): Value {
  const places = normalizeAxes("broadcastAlong", axes, shape.length);
  if (places.length !== x.shape.length || places.some((axis, i) => shape[axis] !== x.shape[i])) {
    throw new ShapeError(`broadcastAlong: ${formatShape(x.shape)} does not fit axes [${axes.join(", ")}] of ${formatShape(shape)}`);
  }
  return build.broadcast(x, shape, places);
}
/** Permutes axes: axis i of the result is axis permutation[i]; reverses them by default. */
export function transpose(x: Value, permutation?: readonly number[]): Value {
  return build.transpose(x, permutation ?? x.shape.map((_, i) => x.shape.length - 1 - i));
}
/** Inserts an axis of extent 1. */
export function expandDims(x: Value, axis: number): Value {
  const at = normalizeAxis("expandDims", axis, x.shape.length + 1);
  return build.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}
/** Elements start, start+step, … below end, per axis; negative positions count from the end. */
export function slice(x: Value, starts: readonly number[], ends: readonly number[] = [], steps: readonly number[] = []): Value {
  // Before positions are counted from the end or cut to it; `build.slice` sees whole lists.
  for (const [what, list] of Object.entries({ starts, ends, steps })) {
    checkIntegers("slice", what, list);
    if (list.length > x.shape.length) throw new ShapeError(`slice: ${what} has more numbers than ${formatShape(x.shape)} has axes, got [${list.join(", ")}]`);
  }
  const place = (n: number | undefined, axis: number, fallback: number): number => {
    const extent = x.shape[axis]!;
    const value = n ?? fallback;
    return value < 0 ? value + extent : Math.min(value, extent);
  };
  return build.slice(
    x,
    x.shape.map((_, axis) => place(starts[axis], axis, 0)),
    x.shape.map((extent, axis) => place(ends[axis], axis, extent)),
    x.shape.map((_, axis) => steps[axis] ?? 1),
  );
}
/** Adds [low, high] constant elements around each axis. */
export function pad(x: Value, widths: readonly (readonly [number, number])[], value = 0): Value {
  if (widths.length !== x.shape.length) throw new ShapeError(`pad: need one [low, high] pair per axis of ${formatShape(x.shape)}, got ${widths.length}`);
  return build.pad(
    x,
    widths.map(([low]) => low),
    widths.map(([, high]) => high),
    widths.map(() => 0),
    value,
  );
}
/** Reverses the order of the elements along axes. */
export function flip(x: Value, axes: readonly number[]): Value {
  return build.flip(x, normalizeAxes("flip", axes, x.shape.length));
}
/** Joins values along an axis: each is padded to its place and the results are added. */
export function concat(values: readonly Value[], axis = 0): Value {
  const first = values[0];
  if (!first) throw new ShapeError("concat: need at least one value");
  const at = normalizeAxis("concat", axis, first.shape.length);
  for (const value of values) {
    if (value.shape.length !== first.shape.length || value.shape.some((extent, i) => i !== at && extent !== first.shape[i])) {
      throw new ShapeError(`concat: shapes must agree outside axis ${at}, got ${formatShape(first.shape)} and ${formatShape(value.shape)}`);
    }
  }
  const total = values.reduce((n, value) => n + value.shape[at]!, 0);
  const only = (n: number): number[] => first.shape.map((_, i) => (i === at ? n : 0));
  let start = 0;
  const placed = values.map((value) => {
    const low = start;
    start += value.shape[at]!;
    return build.pad(value.dtype === "uint8" ? widen(value) : value, only(low), only(total - start), only(0));
  });
  return build.convert(
    placed.reduce((a, b) => (a.dtype === "bool" ? build.or(a, b) : build.add(a, b))),
    first.dtype,
  );
}
/** x[i0, i1, …]: elements or rows picked by int32 index tensors, which broadcast together and are clipped to their axes; a number must be a
 * position of its axis. */
export function gather(x: Value, indices: readonly Operand[]): Value {
  indices.forEach((index, axis) => {
    const extent = x.shape[axis];
    if (typeof index === "number" && extent) checkInteger("gather", `an index of axis ${axis}`, index, 0, extent);
  });
  return build.gather(x, align("gather", ...indices.map((index) => toValue("gather", index, "int32"))));
}

/** Matrix product of [m, k] and [k, n]. */
export function matmul(a: Value, b: Value): Value {
  return build.dot(a, b);
}
