/** @file WebGPU in Node: Dawn, through the optional package `webgpu`. */
import { existsSync } from "node:fs";
import { UnsupportedError } from "@gradalign/tensor";

/** Dawn must outlive all its devices, and one of each kind is enough. */
const instances = new Map<string, GPU>();

/** Dawn hides float16 on NVIDIA GPUs for the sake of a few conformance tests. */
const FEATURES = ["vulkan_enable_f16_on_nvidia"];
/** Tensor cores are an unsafe API, and need this memory model with Vulkan. */
const EXPERIMENTAL = ["allow_unsafe_apis", "use_vulkan_memory_model"];

/**
 * What `navigator.gpu` is in a browser, for `createDevice({ backend: "webgpu", gpu: await nodeGpu() })`; with `experimental` it offers what
 * `tensorCores` need.
 *
 * @throws UnsupportedError when the package `webgpu` is not installed or does not run on this platform.
 */
export async function nodeGpu({ experimental = false } = {}): Promise<GPU> {
  const features = [...FEATURES, ...(experimental ? EXPERIMENTAL : [])].join();
  const known = instances.get(features);
  if (known) return known;
  let dawn: { create(options: string[]): GPU };
  try {
    dawn = await import("webgpu");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    const problem = missing ? "is not installed" : `cannot be loaded (${(cause as Error).message})`;
    throw new UnsupportedError(`webgpu: the package "webgpu" (Dawn for Node) ${problem}; run: npm install webgpu`, { cause });
  }
  const instance = dawn.create([`enable-dawn-features=${features}`]);
  instances.set(features, instance);
  return instance;
}

/** Whether looking for a GPU is worth loading Dawn: on Linux a driver shows as a device file. */
export function mayHaveGpu(platform: NodeJS.Platform = process.platform): boolean {
  return platform !== "linux" || ["/dev/dri", "/dev/nvidiactl", "/dev/dxg"].some((path) => existsSync(path));
}
