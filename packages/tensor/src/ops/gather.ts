/** @file Elements or rows picked by index tensors: result[j…, :] = x[i0[j…], i1[j…], …, :], indices clipped to their axes. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../base/shape.ts";
import { scatterAdd } from "./build.ts";
import type { Operation, TensorType } from "./definition.ts";

/** Flat element numbers of the slices that index tensors pick. */
export function sliceStarts(indices: readonly ArrayLike<number>[], shape: readonly number[]): Int32Array {
  const count = indices[0]!.length;
  return Int32Array.from({ length: count }, (_, j) => {
    let at = 0;
    indices.forEach((index, axis) => {
      at = at * shape[axis]! + Math.max(0, Math.min(shape[axis]! - 1, index[j]!));
    });
    return at * sizeOf(shape.slice(indices.length));
  });
}

/** An index is clipped to its axis, which must have something to clip to. */
export function checkPickable(op: string, shape: Shape, indices: readonly TensorType[]): void {
  const axis = indices.findIndex((index, i) => shape[i] === 0 && sizeOf(index.shape) > 0);
  if (axis < 0) return;
  const got = `got indices of shape ${formatShape(indices[axis]!.shape)}`;
  throw new ShapeError(`${op}: axis ${axis} of ${formatShape(shape)} has no elements, ${got}; pick from a table with elements, or pick nothing`);
}

export const gather: Operation = {
  name: "gather",
  infer([x, ...indices]) {
    const first = indices[0];
    if (!first || indices.length > x!.shape.length) {
      throw new ShapeError(`gather: need between 1 and ${x!.shape.length} index tensors for ${formatShape(x!.shape)}, got ${indices.length}`);
    }
    for (const index of indices) {
      if (index.dtype !== "int32") throw new DTypeError(`gather: indices must be int32, got ${index.dtype}`);
      if (!sameShape(index.shape, first.shape)) {
        throw new ShapeError(`gather: indices must have one shape, got ${formatShape(first.shape)} and ${formatShape(index.shape)}`);
      }
    }
    checkPickable("gather", x!.shape, indices);
    return { shape: [...first.shape, ...x!.shape.slice(indices.length)], dtype: x!.dtype };
  },
  vjp: ({ inputs: [x, ...indices] }, ct) => [scatterAdd(ct, indices, x!.shape), ...indices.map(() => null)],
  lower: { kind: "special" },
  reference([x, ...indices], node) {
    const { shape } = node.inputs[0]!;
    const slice = sizeOf(shape.slice(indices.length));
    const starts = sliceStarts(indices, shape);
    return Float64Array.from({ length: sizeOf(node.shape) }, (_, i) => x![starts[Math.floor(i / slice)]! + (i % slice)]!);
  },
  samples: [
    { inputs: [{ shape: [5] }, { shape: [3], dtype: "int32", data: [4, 0, 2] }] },
    { inputs: [{ shape: [4, 6] }, { shape: [2, 2], dtype: "int32", data: [3, 0, 3, 1] }] },
    { inputs: [{ shape: [4, 3] }, { shape: [3], dtype: "int32", data: [3, 0, 9] }, { shape: [3], dtype: "int32", data: [2, 1, -1] }] },
  ],
};
