/** @file Numbers that come from outside: whether an element type holds them, and whether they are whole where positions are meant. */
import type { DType } from "./dtype.ts";
import { ConfigError, DTypeError, ShapeError } from "./errors.ts";

/** What each element type holds, in words. */
const HOLDS: Readonly<Record<DType, string>> = {
  float32: "numbers up to 3.4028234663852886e+38, infinities and NaN",
  int32: "integers from -2147483648 to 2147483647",
  uint8: "integers from 0 to 255",
  bool: "0 and 1",
};
const RANGE: Readonly<Record<Exclude<DType, "float32">, readonly [number, number]>> = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255], bool: [0, 1] };

/** Elements of a value, at most: kernels count them in 32 bits. */
export const MOST_ELEMENTS = 2 ** 31 - 1;

/** Whether a number stays itself in an element type, but for float32's rounding. */
export function holds(dtype: DType, value: unknown): value is number {
  if (typeof value !== "number") return false;
  if (dtype === "float32") return !Number.isFinite(value) || Number.isFinite(Math.fround(value));
  const [low, high] = RANGE[dtype];
  return Number.isInteger(value) && low <= value && value <= high;
}

/** Throws a {@link DTypeError} unless it is the name of an element type. */
export function checkDType(op: string, dtype: string): asserts dtype is DType {
  if (!Object.hasOwn(HOLDS, dtype)) throw new DTypeError(`${op}: an element type is one of ${Object.keys(HOLDS).join(", ")}, got ${JSON.stringify(dtype)}`);
}

/** Throws a {@link DTypeError} unless the element type holds the number; `what` says which number it is. */
export function checkNumber(op: string, dtype: DType, value: unknown, what = ""): asserts value is number {
  if (holds(dtype, value)) return;
  const remedy = dtype === "float32" ? "write Infinity where that is meant" : 'compute in float32 instead, with convert(x, "float32")';
  throw new DTypeError(`${op}: ${what}${String(value)} is not a value of ${dtype}, which holds ${HOLDS[dtype]}; ${remedy}`);
}

/** Throws a {@link ShapeError} unless all are integers of 32 bits. */
export function checkIntegers(op: string, what: string, list: readonly unknown[]): asserts list is readonly number[] {
  if (list.every((n) => Number.isInteger(n) && Math.abs(n as number) < 2 ** 31)) return;
  throw new ShapeError(`${op}: ${what} must be whole numbers below 2^31, got [${list.map(String).join(", ")}]`);
}

/** Throws a {@link ConfigError} unless the number is an integer in [low, high). */
export function checkInteger(op: string, what: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && low <= value && value < high) return;
  throw new ConfigError(`${op}: ${what} must be an integer in [${low}, ${high}), got ${value}`);
}
