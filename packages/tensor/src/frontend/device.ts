/** @file Choosing where programs run. */
import { ConfigError } from "../base/errors.ts";
import type { Device } from "../runtime/backend.ts";
import { createReferenceDevice } from "../runtime/reference.ts";
import { createWasmDevice, type WasmOptions } from "../runtime/wasm/device.ts";
import { findAdapter, type WebGpuOptions } from "../runtime/webgpu/adapter.ts";
import { createWebGpuDevice } from "../runtime/webgpu/device.ts";

/** Which device to open. */
export interface DeviceOptions extends WasmOptions, Omit<WebGpuOptions, "precision"> {
  /** `wasm` (default) compiles to WebAssembly SIMD; `webgpu` to compute shaders; `reference` is slow and exact (float64). `auto` is webgpu
   * where there is a GPU, else wasm. */
  readonly backend?: "wasm" | "webgpu" | "reference" | "auto";
  /** Of the reference backend between operations: float64 (default) or float32. Of webgpu's large intermediate values, and of its
   * multiplications where the GPU can: float32 (default) or float16, without scaling of small gradients; sums stay float32. */
  readonly precision?: "float64" | "float32" | "float16";
}

/** The names `createDevice` takes. */
export const BACKENDS = ["wasm", "webgpu", "reference"] as const;

let current: Device | null = null;

/** Opens a device; close it when done, or its threads keep the process alive. */
export async function createDevice({ backend = "wasm", threads, vectorBits, maxBytes, native, precision, ...webgpu }: DeviceOptions = {}): Promise<Device> {
  const taken = backend === "auto" ? ((await findAdapter(webgpu)) ? "webgpu" : "wasm") : backend;
  const refuse = (rule: string): never => {
    throw new ConfigError(`createDevice: precision of the ${taken} backend must be ${rule}, got ${precision}; leave it out`);
  };
  switch (taken) {
    case "reference":
      return createReferenceDevice(precision === undefined ? {} : { precision: precision === "float16" ? refuse("float64 or float32") : precision });
    case "webgpu":
      return createWebGpuDevice(
        precision === undefined ? webgpu : { ...webgpu, precision: precision === "float64" ? refuse("float32 or float16") : precision },
      );
    case "wasm":
      if (precision !== undefined && precision !== "float32") refuse("float32");
      return createWasmDevice({
        ...(threads === undefined ? {} : { threads }),
        ...(vectorBits === undefined ? {} : { vectorBits }),
        ...(maxBytes === undefined ? {} : { maxBytes }),
        ...(native === undefined ? {} : { native }),
      });
    default:
      throw new ConfigError(`createDevice: backend must be one of ${BACKENDS.join(", ")} and auto, got "${String(backend)}"`);
  }
}

/** Sets the device that `jit` and `evaluate` use when none is given. */
export function setDefaultDevice(device: Device): void {
  current = device;
}

/** The default device; the reference backend until one is set. */
export function defaultDevice(): Device {
  current ??= createReferenceDevice();
  return current;
}
