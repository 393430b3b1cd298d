/** @file Loop kernels for the proof of native code: every way of running one, every operation, every rest of a vector. */
import type { DType } from "../../base/dtype.ts";
import { stridesOf } from "../../base/shape.ts";
import type { Combine, LoopKernel } from "../../ir/kernel.ts";
import { constant, type Expr, type Guard, type ScalarOp, scalar } from "../../ir/scalar.ts";

const float = (value: number): Expr => constant("float32", value);
const op = (name: ScalarOp, ...args: Expr[]): Expr => scalar(name, "float32", ...args);
const is = (name: ScalarOp, ...args: Expr[]): Expr => scalar(name, "bool", ...args);
const int = (name: ScalarOp, ...args: Expr[]): Expr => scalar(name, "int32", ...args);

/** An element of a buffer whose loops have these strides. */
export function loadOf(buffer: number, strides: readonly number[], offset = 0, dtype: DType = "float32"): Expr {
  return { kind: "load", dtype, buffer, at: { offset, strides } };
}

/** A kernel that writes results densely, each to a buffer of its own from this number on. */
export function loopOf(extents: readonly number[], reduced: number, firstResult: number, values: readonly Expr[], combine: Combine = "sum"): LoopKernel {
  const strides = [...stridesOf(extents.slice(0, extents.length - reduced)), ...extents.slice(extents.length - reduced).map(() => 0)];
  return {
    kind: "loop",
    extents,
    reduced,
    ...(reduced > 0 ? { combine } : {}),
    outputs: values.map((value, i) => ({ buffer: firstResult + i, dtype: value.dtype, at: { offset: 0, strides }, value })),
  };
}

/** x · a + b, at least 0, of an image [n, h, w, c] with scales and shifts of its channels, in a frame of zeros. */
function paddedRelu(n: number, h: number, w: number, c: number): LoopKernel {
  const x = loadOf(0, [h * w * c, w * c, c, 1], -(w + 1) * c);
  const y = op("add", op("mul", x, loadOf(1, [0, 0, 0, 1])), loadOf(2, [0, 0, 0, 1]));
  const guards: Guard[] = [
    { offset: -1, strides: [0, 1, 0, 0], extent: h },
    { offset: -1, strides: [0, 0, 1, 0], extent: w },
  ];
  const inside = op("select", is("lt", float(0), y), y, float(0));
  return loopOf([n, h + 2, w + 2, c], 0, 3, [{ kind: "guard", dtype: "float32", guards, inside, fill: 0 }]);
}

/** Every operation on floats and integers, some values used often and long after. */
function everything(count: number): LoopKernel {
  const [x, y] = [loadOf(0, [1]), loadOf(1, [1])];
  const words = loadOf(2, [1], 0, "int32");
  const scale = loadOf(3, [0]);
  const uniform = op("mul", scalar("toFloat", "float32", int("shiftRight", words, constant("int32", 8))), float(2 ** -24));
  const terms = [
    ...(["add", "sub", "mul", "div"] as const).map((name) => op(name, x, y)),
    op("sqrt", op("abs", x)),
    op("floor", op("mul", y, float(9))),
    op("neg", y),
    op("min", x, float(0.5)),
    op("max", y, float(-0.5)),
    op("select", is("and", is("lt", x, y), is("not", is("eq", x, scale))), x, scale),
    op("select", is("or", is("le", y, scale), is("eq", x, x)), y, float(-0)),
    op("toFloat", is("lt", uniform, float(0.5))),
    op("div", scale, float(3)),
    uniform,
  ];
  const folded = int("xor", int("and", int("floatToBits", x), constant("int32", 0xffff)), int("sub", int("shiftLeft", words, constant("int32", 3)), words));
  const chosen = int("select", is("lt", words, folded), int("add", words, folded), int("or", words, constant("int32", 7)));
  const total = terms.reduce((sum, term) => op("add", sum, term));
  return loopOf([count], 0, 4, [terms.reduceRight((sum, term) => op("sub", op("mul", sum, float(0.5)), term), total), chosen]);
}

/** Where a column of {@link cut} is read from, as the word that it computes that from. */
export function numberOfColumn(step: number, column: number): number {
  return (7 + (step > 0 ? column - 3 : 34 - column)) << 12;
}

/** Images of bytes and of floats, cut out where computed numbers say: some are out of bounds, and flags leave out others. */
function cut(n: number, c: number, h: number, w: number): LoopKernel {
  const number = (buffer: number, ...strides: number[]): Expr => {
    const some = int("and", int("shiftRight", loadOf(buffer, strides, 0, "int32"), constant("int32", 12)), constant("int32", 63));
    return int("sub", some, constant("int32", 7));
  };
  const [row, y, x] = [number(0, 1, 0, 0, 0), number(1, h, 0, 1, 0), number(2, w, 0, 0, 1)];
  const channel: Expr = { kind: "index", dtype: "int32", at: { offset: 0, strides: [0, 1, 0, 0] } };
  const read = (buffer: number, dtype: DType): Expr => ({
    kind: "gather",
    dtype,
    buffer,
    at: { offset: 0, strides: [0, 0, 0, 0] },
    terms: [
      { index: row, stride: c * h * w, extent: 5 },
      { index: channel, stride: h * w, extent: c },
      { index: y, stride: w, extent: h },
      { index: x, stride: 1, extent: w },
    ],
  });
  const pixel = op("select", loadOf(4, [w, 0, 0, 1], 0, "bool"), op("toFloat", read(5, "uint8")), float(-1));
  const kept = op("select", loadOf(3, [h, 0, 1, 0], 0, "bool"), op("div", pixel, float(255)), float(0));
  return loopOf([n, c, h, w], 0, 7, [kept, op("mul", read(6, "float32"), op("toFloat", loadOf(5, [1, 0, 0, 1], 0, "uint8")))]);
}

export const PROOF_LOOPS: readonly LoopKernel[] = [
  ...[4, 7, 13, 32, 32, 32].map((width) => cut(3, 2, 5, width)),
  ...[1, 2, 3, 5].map((width) => paddedRelu(2, 3, width, 16)),
  paddedRelu(1, 4, 4, 13),
  paddedRelu(3, 33, 33, 20),
  ...[4, 7, 8, 31, 64, 40_003].map(everything),
  // Sums along columns: whole vectors, rests, several results, several loops.
  ...[4, 12, 16, 47, 64, 160].map((channels) => loopOf([3, channels, 50], 1, 1, [loadOf(0, [50 * channels, 1, channels])])),
  loopOf([64, 16, 99], 1, 2, [loadOf(0, [1584, 1, 16]), op("mul", loadOf(0, [1584, 1, 16]), loadOf(1, [1584, 1, 16])), loadOf(1, [0, 1, 0])]),
  loopOf([24, 5, 6], 2, 1, [op("abs", loadOf(0, [1, 144, 24]))], "max"),
  // Along rows.
  ...[2, 3, 4].map((rows) => loopOf([5, rows, 3, 37], 2, 1, [loadOf(0, [rows * 111, 37, 500, 1])])),
  ...[4, 6, 10, 64, 1023].map((count) => loopOf([7, count], 1, 2, [op("mul", loadOf(0, [count, 1]), loadOf(1, [1, 0])), loadOf(0, [count, 1])])),
  loopOf([5, 3, 100], 2, 1, [op("abs", loadOf(0, [300, 100, 1]))], "max"),
  loopOf([4, 2, 64], 2, 1, [op("sub", loadOf(0, [64, 256, 1]), float(0.1))]),
  // The largest of numbers and NaN, in vectors and one by one.
  loopOf([9, 13], 1, 1, [op("abs", op("sqrt", loadOf(0, [13, 1])))], "max"),
  loopOf([13, 9], 1, 1, [op("abs", op("sqrt", loadOf(0, [1, 13])))], "max"),
];
