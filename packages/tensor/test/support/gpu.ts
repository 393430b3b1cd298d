/** @file The GPU that tests run on: the page's in a browser, Dawn's in Node. Software adapters will do. */
import type { DeviceOptions } from "@gradalign/tensor";
import type { KernelCode } from "../../src/codegen/webgpu/program.ts";

/** Dawn must outlive all its devices. */
let instance: GPU | undefined;

/** Options of `createDevice` with which the webgpu backend opens here. */
export async function testGpu(): Promise<Pick<DeviceOptions, "gpu" | "allowSoftware">> {
  if (globalThis.navigator?.gpu) return { allowSoftware: true };
  if (!instance) {
    const { create } = await import("webgpu");
    // SwiftShader compiles three times as fast without zeroing workgroups' memory, which no kernel counts on.
    instance = create(["enable-dawn-features=disable_workgroup_init"]);
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
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize } = adapter!.limits;
  const requiredLimits = { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize };
  return adapter!.requestDevice({ requiredFeatures, requiredLimits });
}

/** What is wrong with a compute shader, if anything. */
export async function compileError(device: GPUDevice, wgsl: string): Promise<string | undefined> {
  device.pushErrorScope("validation");
  device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code: wgsl }) } });
  return (await device.popErrorScope())?.message;
}

/** Runs a kernel whose buffers are the inputs and, last, a result of `size` floats. */
export async function runShader(
  gpu: GPUDevice,
  { wgsl, workgroups }: KernelCode,
  inputs: readonly (Float32Array | Uint16Array)[],
  size: number,
): Promise<Float32Array> {
  const buffers = [...inputs.map((x) => x.byteLength), 4 * size].map((bytes) => gpu.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage: 128 | 4 | 8 }));
  inputs.forEach((x, i) => {
    gpu.queue.writeBuffer(buffers[i]!, 0, x as Float32Array<ArrayBuffer>);
  });
  gpu.pushErrorScope("validation");
  const pipeline = gpu.createComputePipeline({ layout: "auto", compute: { module: gpu.createShaderModule({ code: wgsl }) } });
  const wrong = await gpu.popErrorScope();
  if (wrong) throw new Error(wrong.message);
  const staging = gpu.createBuffer({ size: 4 * size, usage: 1 | 8 });
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) }),
  );
  pass.dispatchWorkgroups(...workgroups);
  pass.end();
  encoder.copyBufferToBuffer(buffers.at(-1)!, 0, staging, 0, 4 * size);
  gpu.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  return new Float32Array(staging.getMappedRange()).slice();
}
