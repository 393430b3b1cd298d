/** @file The common reference of movement operations: read each element where the index map says. */
import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import type { ReferenceArray } from "./definition.ts";

/** Calls `source` with each result index; it returns the operand's index, or null for `fill`. */
export function moveElements(x: ReferenceArray, node: Node, source: (index: readonly number[]) => readonly number[] | null, fill = 0): Float64Array {
  const strides = stridesOf(node.inputs[0]!.shape);
  const { shape } = node;
  const outStrides = stridesOf(shape);
  const index = new Array<number>(shape.length);
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    for (let axis = 0; axis < shape.length; axis++) index[axis] = Math.floor(i / outStrides[axis]!) % shape[axis]!;
    const from = source(index);
    return from === null ? fill : x[from.reduce((at, n, axis) => at + n * strides[axis]!, 0)]!;
  });
}
