/** @file Stored tensors: element types of files, and what they are as numbers. */
import { FormatError } from "./errors.ts";
import { shown } from "./json.ts";
import { LIMITS } from "./limits.ts";

/** Arrays by element type. Of 16- and 8-bit floats they hold the bits; `bool` is one byte, 0 or 1. */
export const STORED_ARRAYS = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float8_e4m3fn: Uint8Array,
  float8_e5m2: Uint8Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Element types of stored tensors. */
export type StoredDType = keyof typeof STORED_ARRAYS;

/** Arrays that hold stored elements. */
export type StoredArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** One stored tensor: dense, row-major. */
export interface StoredTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly data: StoredArray;
}

/** A tensor of a file whose elements are read when they are asked for. */
export interface FileTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** Reads the elements, into an array of their own. */
  read(): StoredTensor;
}

/** Bytes per element. */
export function elementBytes(dtype: StoredDType): number {
  return STORED_ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** The number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  // Not a product that overflows on its way to 0.
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
}

/** Whether a value is a shape: a list of sizes. */
export function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/**
 * A tensor of little-endian bytes, which are copied.
 *
 * @throws FormatError where the bytes are not those of the type and shape.
 */
export function tensorOfBytes(name: string, dtype: StoredDType, shape: readonly number[], bytes: Uint8Array): StoredTensor {
  const expected = elementCount(shape) * elementBytes(dtype);
  if (shape.length > LIMITS.axes) throw new FormatError("too-large", `${shown(name)} has ${shape.length} axes, more than the limit of ${LIMITS.axes}`);
  if (bytes.length !== expected) {
    throw new FormatError("damaged", `${shown(name)} is ${dtype} [${shape.join(", ")}] = ${expected} bytes, but ${bytes.length} are stored`);
  }
  // Not `bytes.slice()`: that of a Node Buffer is a view.
  const copy = Uint8Array.prototype.slice.call(bytes);
  if (dtype === "bool" && copy.some((byte) => byte > 1)) throw new FormatError("damaged", `${shown(name)} is bool but has bytes other than 0 and 1`);
  return { dtype, shape, data: new STORED_ARRAYS[dtype](copy.buffer as ArrayBuffer) };
}

/** The elements as float32, rounded where they are wider; float32 elements are returned as they are. */
export function toFloat32({ dtype, data }: StoredTensor): Float32Array {
  if (data instanceof Float32Array) return data;
  const format = SMALL_FLOATS[dtype];
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) values[i] = format ? decodeFloat(Number(data[i]), format) : Number(data[i]);
  return values;
}

interface FloatFormat {
  readonly exponent: number;
  readonly mantissa: number;
  /** E4M3FN has no infinities: only the largest pattern is NaN. */
  readonly finite?: boolean;
}

const SMALL_FLOATS: Partial<Record<StoredDType, FloatFormat>> = {
  float16: { exponent: 5, mantissa: 10 },
  bfloat16: { exponent: 8, mantissa: 7 },
  float8_e4m3fn: { exponent: 4, mantissa: 3, finite: true },
  float8_e5m2: { exponent: 5, mantissa: 2 },
};

function decodeFloat(bits: number, { exponent, mantissa, finite = false }: FloatFormat): number {
  const sign = bits >> (exponent + mantissa) ? -1 : 1;
  const power = (bits >> mantissa) & (2 ** exponent - 1);
  const fraction = bits & (2 ** mantissa - 1);
  const top = power === 2 ** exponent - 1;
  if (top && finite && fraction === 2 ** mantissa - 1) return Number.NaN;
  if (top && !finite) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const bias = 2 ** (exponent - 1) - 1;
  return sign * (power === 0 ? fraction * 2 ** (1 - bias - mantissa) : (2 ** mantissa + fraction) * 2 ** (power - bias - mantissa));
}
