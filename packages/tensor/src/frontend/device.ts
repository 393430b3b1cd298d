/** @file Choosing where programs run. */
import { ConfigError } from "../base/errors.ts";
import type { Device } from "../runtime/backend.ts";
import { createReferenceDevice } from "../runtime/reference.ts";
import { createWasmDevice } from "../runtime/wasm.ts";
import { createWebGpuDevice } from "../runtime/webgpu.ts";
import { findAdapter, type WebGpuOptions } from "../runtime/webgpu-adapter.ts";

/** Which device to open. */
export interface DeviceOptions extends WebGpuOptions {
  /** `wasm` (default) compiles to WebAssembly SIMD; `webgpu` to compute shaders; `reference` is slow and exact (float64). `auto` is webgpu
   * where there is a GPU, else wasm. */
  readonly backend?: "wasm" | "webgpu" | "reference" | "auto";
  /** Threads of the wasm backend, the calling one included; all cores by default. */
  readonly threads?: number;
  /** Precision of the reference backend between operations. */
  readonly precision?: "float64" | "float32";
}

/** The names `createDevice` takes. */
export const BACKENDS = ["wasm", "webgpu", "reference"] as const;

let current: Device | null = null;

/** Opens a device; close it when done, or its threads keep the process alive. */
export async function createDevice({ backend = "wasm", threads, precision, ...webgpu }: DeviceOptions = {}): Promise<Device> {
  if (backend === "reference") return createReferenceDevice(precision ? { precision } : {});
  if (backend === "webgpu" || (backend === "auto" && (await findAdapter(webgpu)))) return createWebGpuDevice(webgpu);
  if (backend === "wasm" || backend === "auto") return createWasmDevice(threads === undefined ? {} : { threads });
  throw new ConfigError(`createDevice: backend must be one of ${BACKENDS.join(", ")} and auto, got "${String(backend)}"`);
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
