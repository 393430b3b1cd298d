/** @file Elements of files as float32: the bit patterns of short floats, and rounding of wide numbers. */
import { expect, test } from "vitest";
import { type StoredTensor, toFloat32 } from "../src/tensor.ts";

const floats = (dtype: "float16" | "bfloat16", ...bits: number[]): number[] => [...toFloat32({ dtype, shape: [bits.length], data: Uint16Array.from(bits) })];
const bytes = (dtype: "float8_e4m3fn" | "float8_e5m2", ...bits: number[]): number[] => [
  ...toFloat32({ dtype, shape: [bits.length], data: Uint8Array.from(bits) }),
];

test("short floats are what their bits mean", () => {
  // 1, -2, the largest, the smallest normal and subnormal numbers, -0, infinities, NaN.
  const half = floats("float16", 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x7e00);
  expect(half).toEqual([1, -2, 65504, 2 ** -14, 2 ** -24, -0, Infinity, -Infinity, NaN]);
  expect(floats("bfloat16", 0x3f80, 0xc000, 0x7f7f, 0x0080, 0xff80, 0x7fc0)).toEqual([1, -2, 255 * 2 ** 120, 2 ** -126, -Infinity, NaN]);
  expect(bytes("float8_e4m3fn", 0x38, 0x7e, 0x01, 0x7f, 0xff)).toEqual([1, 448, 2 ** -9, NaN, NaN]);
  expect(bytes("float8_e5m2", 0x3c, 0x7b, 0x01, 0x7c, 0xfd)).toEqual([1, 57344, 2 ** -16, Infinity, NaN]);
});

test("wide numbers are rounded, float32 is passed on", () => {
  const same: StoredTensor = { dtype: "float32", shape: [1], data: Float32Array.of(0.1) };
  expect(toFloat32(same)).toBe(same.data);
  expect([...toFloat32({ dtype: "float64", shape: [1], data: Float64Array.of(0.1) })]).toEqual([Math.fround(0.1)]);
  expect([...toFloat32({ dtype: "int64", shape: [1], data: BigInt64Array.of(-7n) })]).toEqual([-7]);
});
