/** @file Element types and the typed arrays that hold them on the host. */
import { DTypeError } from "./errors.ts";

/** Element type of a tensor. */
export type DType = "float32" | "int32" | "uint8" | "bool";

/** Host storage of tensor elements; `bool` is stored as one byte, 0 or 1. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

/** Any array a tensor may be made from; `Float64Array` is rounded to float32. */
export type DataArray = HostArray | Float64Array | Uint32Array | Uint8ClampedArray;

/** Bytes per element in memory. */
export const BYTES: Readonly<Record<DType, number>> = { float32: 4, int32: 4, uint8: 1, bool: 1 };

export function isFloat(dtype: DType): boolean {
  return dtype === "float32";
}

/** A zero-filled host array for `count` elements. */
export function hostArray(dtype: DType, count: number): HostArray {
  if (dtype === "float32") return new Float32Array(count);
  return dtype === "int32" ? new Int32Array(count) : new Uint8Array(count);
}

/** The element type a host array stands for; throws {@link DTypeError} for arrays that need to be told one. */
export function dtypeOfArray(data: DataArray): DType {
  if (data instanceof Float32Array || data instanceof Float64Array) return "float32";
  if (data instanceof Int32Array || data instanceof Uint32Array) return "int32";
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return "uint8";
  const got = Object.prototype.toString.call(data);
  throw new DTypeError(
    `tensor: expected a Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array, got ${got}; give another its element type: tensor(data, shape, "int32")`,
  );
}
