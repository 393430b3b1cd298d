/** @file What the browser tests run inside the browser. */
import { add, createDevice, type DeviceOptions, jit, type Tensor } from "@gradalign/tensor";
import { runSample, samples } from "../support/samples.ts";

/** The number of threads a device gets; `null` asks for the default. */
export async function threadsOf(threads: number | null): Promise<number> {
  const device = await createDevice({ backend: "wasm", ...(threads === null ? {} : { threads }) });
  try {
    return device.threads;
  } finally {
    device.close();
  }
}

/** Every sample of every operation on a backend, by name. */
export async function conformance(options: DeviceOptions): Promise<Record<string, number[]>> {
  const device = await createDevice(options);
  try {
    const results = samples.map(async ({ operation, sample, name }) => [name, Array.from(await runSample(operation, sample, device))] as const);
    return Object.fromEntries(await Promise.all(results));
  } finally {
    device.close();
  }
}

/** Devices opened, used and closed one after the other; each leaves its threads and memory. */
export async function reopen(times: number): Promise<number[]> {
  const results: number[] = [];
  for (let i = 0; i < times; i++) {
    const device = await createDevice({ backend: "wasm", threads: 3 });
    results.push((jit(add, { device })(i, 1) as Tensor).item());
    device.close();
  }
  return results;
}

/** The backend of a device opened with these options. */
export async function backendOf(options: DeviceOptions): Promise<string> {
  const device = await createDevice(options);
  device.close();
  return device.backend;
}
