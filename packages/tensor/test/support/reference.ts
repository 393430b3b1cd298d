/** @file Float64 in and out of the reference device, for finite differences. */
import type { Device } from "@gradalign/tensor";
import { Tensor } from "../../src/frontend/tensor.ts";
import type { DeviceBuffer } from "../../src/runtime/backend.ts";
import { referenceData } from "../../src/runtime/reference.ts";

/** A float32 tensor whose elements on the reference device have float64 precision. */
export function referenceTensor(device: Device, values: Float64Array, shape: readonly number[]): Tensor {
  const buffer = { device, dtype: "float32", count: values.length, released: "no", data: values } as DeviceBuffer;
  return new Tensor(shape, "float32", buffer);
}

/** Elements of a result in float64. */
export function referenceValues(result: Tensor | { readonly op: string }): ArrayLike<number> {
  const device = (result as Tensor).homes()[0]!;
  return referenceData((result as Tensor).bufferOn(device));
}
