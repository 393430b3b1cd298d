/** @file WebGPU in Node: Dawn, through the optional package `webgpu`. */
import { existsSync } from "node:fs";
import { UnsupportedError } from "@gradalign/tensor";

/** Dawn must outlive all its devices, and one is enough. */
let instance: GPU | undefined;

/**
 * What `navigator.gpu` is in a browser, for `createDevice({ backend: "webgpu", gpu: await nodeGpu() })`.
 *
 * @throws UnsupportedError when the package `webgpu` is not installed or does not run on this platform.
 */
export async function nodeGpu(): Promise<GPU> {
  if (instance) return instance;
  let dawn: { create(options: string[]): GPU };
  try {
    dawn = await import("webgpu");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    const problem = missing ? "is not installed" : `cannot be loaded (${(cause as Error).message})`;
    throw new UnsupportedError(`webgpu: the package "webgpu" (Dawn for Node) ${problem}; run: npm install webgpu`, { cause });
  }
  instance = dawn.create([]);
  return instance;
}

/** Whether looking for a GPU is worth loading Dawn: on Linux a driver shows as a device file. */
export function mayHaveGpu(platform: NodeJS.Platform = process.platform): boolean {
  return platform !== "linux" || ["/dev/dri", "/dev/nvidiactl", "/dev/dxg"].some((path) => existsSync(path));
}
