/** @file Random values as functions of an explicit key: the same key gives the same numbers, on every backend. */
import { ConfigError, DTypeError } from "../base/errors.ts";
import { checkInteger, holds } from "../base/numbers.ts";
import { keyOfSeed } from "../base/random.ts";
import { checkShape, type Shape } from "../base/shape.ts";
import * as build from "../ops/build.ts";
import { toValue } from "./broadcasting.ts";
import { add, convert, le, log, minimum, mul, shiftRight, sqrt, sub, where } from "./math.ts";
import { concat, reshape, slice } from "./shaping.ts";
import { type Operand, type Tensor, tensor, type Value } from "./tensor.ts";

/** Streams of one key: numbers drawn, and keys derived, never share counters. */
const DRAW = 0;
const DERIVE = 1 << 30;

/** A key from a non-negative integer seed. */
export function randomKey(seed: number): Tensor {
  return tensor(Int32Array.from(keyOfSeed(seed)));
}

/** A new key from a key (or from each of keys [n, 2]) and an integer in [0, 2^30), for instance an iteration; that elements of a tensor are in it, the caller sees to. */
export function foldIn(key: Value, data: Operand): Value {
  if (typeof data === "number") checkInteger("foldIn", "data", data, 0, DERIVE);
  const number = toValue("foldIn", data, "int32");
  if (number.dtype !== "int32") throw new DTypeError(`foldIn: data must be int32, got ${number.dtype}; use convert(x, "int32")`);
  return build.randomBits(key, build.add(number, build.full([], DERIVE, "int32")), key.shape);
}

/** `count` independent keys. */
export function split(key: Value, count: number): Value[] {
  checkInteger("split", "the number of keys", count, 0, DERIVE);
  return Array.from({ length: count }, (_, i) => foldIn(foldIn(key, 0x73706c69 & (DERIVE - 1)), i));
}

/** Uniform 32-bit words as int32. Keys [n, 2] draw each of the n rows (the first axis) from its own key: the words a row has do not depend on the others. */
export function randomBits(key: Value, shape: Shape): Value {
  return build.randomBits(key, build.full([], DRAW, "int32"), shape);
}

/** Uniform float32 in [low, high): 24 random bits, scaled to any range between finite bounds; equal bounds give that number. A draw that rounding would
 * put on the upper bound becomes the largest float32 below it; where a bound is a tensor, it becomes the lower bound, which rounding leaves half a step
 * short. Numbers that are no such bounds throw a ConfigError; that a tensor's are, the caller sees to. */
export function uniform(key: Value, shape: Shape, low: Operand = 0, high: Operand = 1): Value {
  const unit = mul(convert(shiftRight(randomBits(key, shape), 8), "float32"), 2 ** -24);
  if (low === 0 && high === 1) return unit;
  const numbers = typeof low === "number" && typeof high === "number";
  if (numbers && !(Number.isFinite(low) && Number.isFinite(high) && low <= high)) {
    throw new ConfigError(`uniform: bounds must be finite and in order, got ${low} and ${high}`);
  }
  // A range may be wider than the largest float32; halves never are.
  const scale = numbers && holds("float32", high - low) ? 1 : 2;
  const [from, to] = [low, high].map((bound) => (typeof bound === "number" ? bound / scale : mul(bound, 1 / scale))) as [Operand, Operand];
  const width = typeof from === "number" && typeof to === "number" ? to - from : sub(to, from);
  const value = mul(add(mul(unit, build.convert(toValue("uniform", width), "float32")), from), scale);
  if (!numbers) return where(le(high, value), low, value);
  return low < high ? minimum(value, below(high)) : value;
}

/** The largest float32 below a number. */
function below(x: number): number {
  const rounded = Float32Array.of(x);
  if (rounded[0]! < x) return rounded[0]!;
  if (rounded[0] === 0) return -(2 ** -149);
  const bits = new Int32Array(rounded.buffer);
  bits[0]! += rounded[0]! > 0 ? -1 : 1;
  return rounded[0]!;
}

/** Standard normal float32 by the Box-Muller transform. */
export function normal(key: Value, shape: Shape): Value {
  checkShape("normal", shape);
  const rows = key.shape.length === 2 ? [key.shape[0]!] : [];
  const count = shape.slice(rows.length).reduce((n, extent) => n * extent, 1);
  const half = Math.ceil(count / 2);
  const bits = randomBits(key, [...rows, 2, half]);
  const all = rows.map(() => 0);
  const row = (i: number): Value => reshape(slice(bits, [...all, i, 0], [...rows, i + 1, half]), [...rows, half]);
  // (0, 1]: the logarithm stays finite.
  const u = mul(add(convert(shiftRight(row(0), 8), "float32"), 1), 2 ** -24);
  const angle = mul(convert(shiftRight(row(1), 8), "float32"), 2 * Math.PI * 2 ** -24);
  const radius = sqrt(mul(-2, log(u)));
  const both = concat([mul(radius, build.cos(angle, true)), mul(radius, build.sin(angle, true))], rows.length);
  return reshape(count === 2 * half ? both : slice(both, [...all, 0], [...rows, count]), shape);
}
