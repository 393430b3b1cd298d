/** @file Conversion between element types. Floats become integers by truncation toward zero; anything non-zero is true. */
import type { DType } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import { type Expr, type ScalarOp, scalar } from "../ir/scalar.ts";
import { convert as to } from "./build.ts";
import type { Operation } from "./definition.ts";

const INSTRUCTION: Readonly<Record<DType, ScalarOp>> = { float32: "toFloat", int32: "toInt", uint8: "toUint8", bool: "toBool" };

function saturate(x: number): number {
  return Number.isNaN(x) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(x)));
}

const MEANING: Readonly<Record<DType, (x: number) => number>> = {
  float32: (x) => x,
  int32: saturate,
  uint8: (x) => saturate(x) & 255,
  bool: (x) => (x !== 0 ? 1 : 0),
};

export const convert: Operation = {
  name: "convert",
  infer: ([x], attrs) => ({ shape: x!.shape, dtype: attrs["dtype"] as DType }),
  vjp: ({ inputs: [x] }, ct) => [x!.dtype === "float32" ? to(ct, "float32") : null],
  lower: { kind: "elementwise", value: ([x], node): Expr => (x!.dtype === node.dtype ? x! : scalar(INSTRUCTION[node.dtype], node.dtype, x!)) },
  reference: ([x], node) => Float64Array.from({ length: sizeOf(node.shape) }, (_, i) => MEANING[node.dtype](x![i]!)),
  samples: [
    { name: "uint8 to float32", inputs: [{ shape: [5], dtype: "uint8", data: [0, 1, 127, 128, 255] }], attrs: { dtype: "float32" } },
    { name: "int32 to float32", inputs: [{ shape: [5], dtype: "int32", data: [0, -1, 12345, 7, -99] }], attrs: { dtype: "float32" } },
    { name: "bool to float32", inputs: [{ shape: [2], dtype: "bool", data: [0, 1] }], attrs: { dtype: "float32" } },
    { name: "float32 to int32", inputs: [{ shape: [5], data: [0.5, -1.7, 3.2, -0.1, 1e3] }], attrs: { dtype: "int32" } },
    { name: "bool to int32", inputs: [{ shape: [5], dtype: "bool", data: [1, 0, 1, 1, 0] }], attrs: { dtype: "int32" } },
    { name: "float32 to bool", inputs: [{ shape: [4], data: [0, -1.5, 2, 0] }], attrs: { dtype: "bool" } },
    { name: "int32 to uint8", inputs: [{ shape: [4], dtype: "int32", data: [0, 255, 7, 3] }], attrs: { dtype: "uint8" } },
  ],
};
