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

/** A GPU whose devices pass through a function when they are opened: to watch them, to break them, or to tighten their limits. */
export async function alteredGpu(alter: (device: GPUDevice) => void): Promise<{ gpu: GPU; allowSoftware: boolean }> {
  const options = await testGpu();
  const gpu = options.gpu ?? navigator.gpu;
  const requestAdapter = async (request?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
    const adapter = await gpu.requestAdapter(request);
    return (
      adapter &&
      ({
        info: adapter.info,
        limits: adapter.limits,
        features: adapter.features,
        async requestDevice(descriptor?: GPUDeviceDescriptor) {
          const device = await adapter.requestDevice(descriptor);
          alter(device);
          return device;
        },
      } as GPUAdapter)
    );
  };
  return { gpu: { ...gpu, requestAdapter } as GPU, allowSoftware: true };
}

/** Makes a device claim other limits. */
export function setLimits(device: GPUDevice, limits: Partial<Record<keyof GPUSupportedLimits, number>>): void {
  const real = device.limits;
  Object.defineProperty(device, "limits", {
    value: new Proxy(real, { get: (_, name) => limits[name as keyof GPUSupportedLimits] ?? real[name as keyof GPUSupportedLimits] }),
  });
}

/** Kept for the reason above. */
let nothing: GPU | undefined;

/** A device of Dawn's null backend, which compiles and validates but computes nothing, with features that must be there, experimental ones too. */
export async function nullGpu(requiredFeatures: GPUFeatureName[] = []): Promise<GPUDevice> {
  const { create } = await import("webgpu");
  nothing ??= create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  const adapter = await nothing.requestAdapter();
  return adapter!.requestDevice({ requiredFeatures });
}

/** What is wrong with a compute shader, if anything. */
export async function compileError(device: GPUDevice, wgsl: string): Promise<string | undefined> {
  device.pushErrorScope("validation");
  device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code: wgsl }) } });
  return (await device.popErrorScope())?.message;
}
