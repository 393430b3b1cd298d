/** @file The index along one axis, as int32. */
import { type Shape, sizeOf, stridesOf } from "../base/shape.ts";
import type { Operation } from "./definition.ts";

export const iota: Operation = {
  name: "iota",
  infer: (_, attrs) => ({ shape: attrs["shape"] as Shape, dtype: "int32" }),
  vjp: () => [],
  lower: { kind: "generate", value: (index, node) => ({ kind: "index", dtype: "int32", at: index[node.attrs["axis"] as number]! }) },
  reference(_, node) {
    const axis = node.attrs["axis"] as number;
    const stride = stridesOf(node.shape)[axis]!;
    return Int32Array.from({ length: sizeOf(node.shape) }, (_, i) => Math.floor(i / stride) % node.shape[axis]!);
  },
  samples: [
    { inputs: [], attrs: { shape: [6], axis: 0 } },
    { inputs: [], attrs: { shape: [2, 3, 4], axis: 1 } },
  ],
};
