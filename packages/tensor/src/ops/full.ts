/** @file A constant repeated over a shape. */
import type { DType } from "../base/dtype.ts";
import { type Shape, sizeOf } from "../base/shape.ts";
import { constant } from "../ir/scalar.ts";
import type { Operation } from "./definition.ts";

export const full: Operation = {
  name: "full",
  infer: (_, attrs) => ({ shape: attrs["shape"] as Shape, dtype: attrs["dtype"] as DType }),
  vjp: () => [],
  lower: { kind: "generate", value: (_, node) => constant(node.dtype, node.attrs["value"] as number) },
  reference: (_, node) => new Float64Array(sizeOf(node.shape)).fill(node.attrs["value"] as number),
  samples: [
    { inputs: [], attrs: { shape: [3, 5], value: 1.5, dtype: "float32" } },
    { inputs: [], attrs: { shape: [], value: -7, dtype: "int32" } },
  ],
};
