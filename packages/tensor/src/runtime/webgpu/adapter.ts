/** @file Choosing a GPU: which adapter, with which limits and features, and whether it is one at all. */
import { ConfigError, UnsupportedError } from "../../base/errors.ts";
import type { MatrixUnit } from "../../codegen/webgpu/program.ts";
import type { TuningStore } from "./tuning.ts";

export interface WebGpuOptions {
  /** Where adapters come from: `navigator.gpu` unless given. In Node `gradalign/node` finds one in the package `webgpu`. */
  readonly gpu?: GPU;
  /** Accept an adapter that computes on the CPU (SwiftShader, llvmpipe, WARP). They are slower than the wasm backend. */
  readonly allowSoftware?: boolean;
  /** `float16` stores large intermediate values in half precision and, where the adapter has `shader-f16`, multiplies in it in contractions; sums,
   * statistics, and what goes in and out of programs stay float32. */
  readonly precision?: "float32" | "float16";
  /** Tensor cores (WebGPU's experimental subgroup matrices), with precision float16 only. `on` uses them from the start; `auto` once `Device.tune` has
   * proven them against the plain kernels and found them faster. Off unless given. */
  readonly tensorCores?: "off" | "on" | "auto";
  /** Where `Device.tune` keeps what it measured. */
  readonly tuning?: TuningStore;
}

/** An opened GPU. */
export interface OpenedGpu {
  readonly gpu: GPU;
  readonly device: GPUDevice;
  /** Vendor and model, as far as the browser tells. */
  readonly name: string;
  readonly software: boolean;
  /** Invocations of a subgroup where shaders may rely on them, else 0. */
  readonly subgroup: number;
  /** Tensor cores, if they are wanted and there. */
  readonly unit: MatrixUnit | null;
}

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

const FEATURES = ["timestamp-query", "shader-f16", "subgroups"] as const;
const MATRICES = "chromium-experimental-subgroup-matrix" as GPUFeatureName;

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|microsoft basic render|\bwarp\b/i;

/** Whether an adapter computes on the CPU. */
function isSoftware({ isFallbackAdapter, vendor, architecture, device, description }: GPUAdapterInfo): boolean {
  return isFallbackAdapter === true || SOFTWARE.test([vendor, architecture, device, description].join(" "));
}

/** The adapter a device would be opened on, or null. */
export async function findAdapter({ gpu = globalThis.navigator?.gpu, allowSoftware = false }: WebGpuOptions): Promise<GPUAdapter | null> {
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  return adapter && (allowSoftware || !isSoftware(adapter.info)) ? adapter : null;
}

/** Opens the adapter with all it offers. Throws {@link UnsupportedError} where there is none. */
export async function openGpu(options: WebGpuOptions): Promise<OpenedGpu> {
  const { tensorCores = "off" } = options;
  if (tensorCores !== "off" && options.precision !== "float16") {
    throw new ConfigError(`createDevice: tensorCores (="${tensorCores}") needs float16; add precision: "float16", or leave it out`);
  }
  const gpu = options.gpu ?? globalThis.navigator?.gpu;
  if (!gpu) {
    throw new UnsupportedError(
      "webgpu: this environment has no WebGPU; in Node install the package `webgpu` and open the device through gradalign/node, in browsers use one with WebGPU, or use the wasm backend",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new UnsupportedError("webgpu: no adapter was found; check the GPU's driver (on Linux: Vulkan), or use the wasm backend");
  const { info } = adapter;
  const name = [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(" ");
  const software = isSoftware(info);
  if (software && !options.allowSoftware) {
    throw new UnsupportedError(`webgpu: the only adapter (${name}) computes on the CPU, slower than the wasm backend; use wasm, or allow software adapters`);
  }
  const requiredLimits = Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]]));
  const unit = tensorCores === "off" ? null : matrixUnit(adapter);
  if (tensorCores === "on" && !unit) {
    throw new UnsupportedError(
      `webgpu: ${name} offers no tensor cores for float16 with float32 sums; they are experimental and need shader-f16 and Dawn's or Chromium's unsafe APIs; use tensorCores: "auto" or "off"`,
    );
  }
  const requiredFeatures = [...FEATURES, ...(unit ? [MATRICES] : [])].filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  return { gpu, device, name, software, subgroup: fixedSubgroup(gpu, adapter), unit };
}

/** Size of subgroups where they all have the same, a power of two, and shaders can tell them apart; else 0. */
function fixedSubgroup(gpu: GPU, { features, info }: GPUAdapter): number {
  const { subgroupMinSize: size = 0, subgroupMaxSize } = info as { readonly subgroupMinSize?: number; readonly subgroupMaxSize?: number };
  const known = features.has("subgroups") && gpu.wgslLanguageFeatures?.has("subgroup_id");
  return known && size === subgroupMaxSize && size > 1 && Number.isInteger(Math.log2(size)) ? size : 0;
}

/** The adapter's first offer for float16 operands and float32 sums: offers come in the order of preference. */
function matrixUnit({ features, info, limits }: GPUAdapter): MatrixUnit | null {
  const { subgroupMaxSize: lanes = 0, subgroupMatrixConfigs: offers = [] } = info as {
    readonly subgroupMaxSize?: number;
    readonly subgroupMatrixConfigs?: readonly {
      readonly componentType: string;
      readonly resultComponentType: string;
      readonly M: number;
      readonly N: number;
      readonly K: number;
    }[];
  };
  const offer = offers.find(({ componentType, resultComponentType }) => componentType === "f16" && resultComponentType === "f32");
  if (!offer || lanes === 0 || ![MATRICES, "shader-f16", "subgroups"].every((feature) => features.has(feature))) return null;
  return { rows: offer.M, columns: offer.N, depth: offer.K, lanes, mostInvocations: limits.maxComputeInvocationsPerWorkgroup };
}
