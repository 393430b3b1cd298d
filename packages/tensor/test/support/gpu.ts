/** @file The GPU that tests run on: the page's in a browser, Dawn's in Node. Software adapters will do. */
import type { DeviceOptions } from "@gradalign/tensor";

/** Dawn must outlive all its devices. */
let instance: GPU | undefined;

/** Options of `createDevice` with which the webgpu backend opens here. */
export async function testGpu(): Promise<Pick<DeviceOptions, "gpu" | "allowSoftware">> {
  if (typeof window !== "undefined") return { allowSoftware: true };
  if (!instance) {
    const { create } = await import("webgpu");
    instance = create([]);
    if (!(await instance.requestAdapter())) {
      throw new Error("no GPU and no SwiftShader were found; on Debian: apt-get install chromium, which brings /usr/lib/chromium/vk_swiftshader_icd.json");
    }
  }
  return { gpu: instance, allowSoftware: true };
}
