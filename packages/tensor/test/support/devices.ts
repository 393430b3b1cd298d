/** @file Devices the tests compare, opened once per test file. */
import { createDevice, type Device } from "@gradalign/tensor";
import { afterAll } from "vitest";
import { testGpu } from "./gpu.ts";

export { relativeError } from "./relative-error.ts";

/** Every device under test by name; the reference device is the one they are compared with. */
export async function openDevices(): Promise<{ reference: Device; tested: [string, Device][] }> {
  const reference = await createDevice({ backend: "reference" });
  const tested: [string, Device][] = [
    ["wasm, 1 thread", await createDevice({ backend: "wasm", threads: 1 })],
    ["wasm, 2 threads", await createDevice({ backend: "wasm", threads: 2 })],
    ["webgpu", await createDevice({ backend: "webgpu", ...(await testGpu()) })],
  ];
  afterAll(() => {
    for (const [, device] of tested) device.close();
  });
  return { reference, tested };
}
