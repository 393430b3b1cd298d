/** @file Opening the device that a command computes on. */
import { ConfigError, createDevice, type Device, UnsupportedError } from "@gradalign/tensor";
import { mayHaveGpu, nodeGpu, nodeTuning } from "gradalign/node";
import type { RunMachine } from "../report/report-data.ts";
import { externalName, type Settings } from "../settings/settings.ts";
import { VERSION } from "../version.ts";

/** Settings that say what computes, and how. */
export const DEVICE_SETTINGS = ["threads", "backend", "precision", "tensorCores", "vectorBits", "softwareGpu"] as const;

type DeviceSettings = Pick<Settings, (typeof DEVICE_SETTINGS)[number]>;

/**
 * Opens the device. `auto` takes a GPU where there is one and the package `webgpu` is installed, else WebAssembly, and the reference
 * backend where that does not do.
 *
 * @throws UnsupportedError when the named backend does not work here.
 */
export async function openDevice(
  { backend = "auto", threads, vectorBits, softwareGpu, precision, tensorCores = "off" }: DeviceSettings,
  note: (text: string) => void,
): Promise<Device> {
  const allowSoftware = softwareGpu === "yes";
  if (backend === "reference") return createDevice({ backend });
  const openGpu = async (): Promise<Device> =>
    createDevice({
      backend: "webgpu",
      gpu: await nodeGpu({ experimental: tensorCores !== "off" }),
      allowSoftware,
      precision: precision === "f16" ? "float16" : "float32",
      tensorCores,
      ...(allowSoftware ? {} : { tuning: nodeTuning() }),
    });
  if (precision === "f16" && backend !== "webgpu") throw new ConfigError('--precision (="f16") needs a GPU; add --backend webgpu');
  if (tensorCores !== "off" && precision !== "f16") throw new ConfigError(`--tensor-cores (="${tensorCores}") needs float16; add --precision f16`);
  if (backend === "webgpu") return openGpu();
  if (backend === "auto" && (allowSoftware || mayHaveGpu())) {
    try {
      return await openGpu();
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
    }
  }
  try {
    return await createDevice({
      backend: "wasm",
      ...(threads === undefined ? {} : { threads }),
      ...(vectorBits === undefined ? {} : { vectorBits: vectorBits === "256" ? 256 : 128 }),
    });
  } catch (error) {
    if (backend === "wasm" || !(error instanceof UnsupportedError)) throw error;
    note(`the wasm backend does not work here (${error.message}); using the reference backend, which is very slow`);
    return createDevice({ backend: "reference" });
  }
}

/** What a run notes about where it is computed. */
export function machineOf(device: Device, { precision, tensorCores, softwareGpu }: DeviceSettings = {}): RunMachine {
  const asked = JSON.parse(JSON.stringify({ precision, tensorCores, softwareGpu })) as NonNullable<RunMachine["device"]>;
  const machine = { backend: device.backend, threads: device.threads, version: VERSION, node: process.versions.node };
  return Object.keys(asked).length > 0 ? { ...machine, device: asked } : machine;
}

/** Settings for going on with a run where it was computed before: what is not given is as noted. What is given otherwise is taken, with a
 * remark, because the results then differ from those of an undisturbed run. */
export function resumedDevice<Given extends DeviceSettings>(given: Given, noted: RunMachine | undefined, note: (text: string) => void): Given {
  if (!noted) return given;
  const before: DeviceSettings = { backend: noted.backend as NonNullable<Settings["backend"]>, ...(noted.device as DeviceSettings) };
  // On a backend that was asked for anew, the other's options mean nothing.
  const other = given.backend !== undefined && given.backend !== before.backend;
  const result = other ? given : { ...before, ...given };
  for (const name of ["backend", "precision", "tensorCores"] as const) {
    const [then, now] = [before[name] ?? DEFAULTS[name], result[name] ?? DEFAULTS[name]];
    if (then !== now)
      note(`the run was computed with --${externalName(name)} ${then} so far and goes on with ${now}: its numbers will differ from an undisturbed run's`);
  }
  return result;
}

const DEFAULTS = { backend: "auto", precision: "f32", tensorCores: "off" } as const;
