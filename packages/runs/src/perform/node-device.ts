/** @file Opening the device that a command computes on. */

import type { Arithmetic } from "@gradalign/robustness";
import { mayHaveGpu, type NativeState, nodeGpu, nodeNative, nodeTuning } from "@gradalign/robustness/node";
import { ConfigError, createDevice, type Device, type NativeHost, UnsupportedError } from "@gradalign/tensor";
import type { Run } from "../folder/node-run.ts";
import type { RunMachine } from "../run/run-data.ts";
import { RUN_OPTIONS, type RunSettings } from "../settings/run-options.ts";
import type { Settings } from "../settings/settings.ts";
import { VERSION } from "./node-version.ts";

/** Settings that say what computes, and how. */
export const DEVICE_SETTINGS = ["threads", "backend", "precision", "tensorCores", "vectorBits", "native", "softwareGpu"] as const;

type DeviceSettings = Pick<Settings, (typeof DEVICE_SETTINGS)[number]>;

/** From this version on WebAssembly's vectors are joined to the processor's. */
const WIDE_NODE = 24;

/**
 * Opens the device. `auto` takes a GPU where there is one and the package `webgpu` is installed, else WebAssembly, and the reference
 * backend where that does not do.
 *
 * @param hint is told what would be faster.
 * @throws UnsupportedError when the named backend does not work here.
 */
export async function openDevice(
  { backend = "auto", threads, vectorBits, native, softwareGpu, precision, tensorCores = "off" }: DeviceSettings,
  note: (text: string) => void,
  hint: (text: string) => void = () => {},
): Promise<Device> {
  if (precision === "f16" && backend !== "webgpu") throw new ConfigError('--precision (="f16") needs a GPU; add --backend webgpu');
  if (tensorCores !== "off" && precision !== "f16") throw new ConfigError(`--tensor-cores (="${tensorCores}") needs float16; add --precision f16`);
  const allowSoftware = softwareGpu === "yes";
  const wanted = backend === "wasm" || backend === "auto" ? (native ?? nativeFromEnvironment()) : "off";
  const host = nativeHost(wanted, note);
  const open = async (taken: typeof backend): Promise<Device> => {
    const device = await createDevice({
      backend: taken,
      ...(host && taken !== "reference" ? { native: host } : {}),
      ...(taken === "wasm" || taken === "reference" ? {} : { gpu: await nodeGpu({ experimental: tensorCores !== "off" }) }),
      allowSoftware,
      ...(precision === "f16" ? { precision: "float16" } : {}),
      tensorCores,
      ...(allowSoftware ? {} : { tuning: nodeTuning() }),
      ...(threads === undefined ? {} : { threads }),
      ...(vectorBits === undefined ? {} : { vectorBits: vectorBits === "256" ? 256 : 128 }),
    });
    const node = process.versions.node.split(".")[0]!;
    if (device.backend === "wasm" && !host && wanted !== "off" && process.arch === "x64" && Number(node) < WIDE_NODE) {
      hint(`without machine code, Node ${WIDE_NODE} or newer trains about 1.5 times as fast as Node ${node}`);
    }
    return device;
  };
  if (backend !== "auto") return open(backend);
  // What there is decides createDevice; here, which of it Node lets it try, and what serves where that does not work.
  const order = allowSoftware || mayHaveGpu() ? (["auto", "wasm"] as const) : (["wasm"] as const);
  for (const taken of order) {
    try {
      return await open(taken);
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      if (taken === "wasm") note(`the wasm backend does not work here (${error.message}); using the reference backend, which is very slow`);
    }
  }
  return open("reference");
}

/** Machine code for contractions, if it is wanted and to be had.
 * @throws UnsupportedError when it is insisted on. */
function nativeHost(wanted: "auto" | "on" | "off", note: (text: string) => void): NativeHost | null {
  if (wanted === "off") return null;
  const { host, problem } = nodeNative(wanted === "on", { version: VERSION });
  if (problem !== null && wanted === "on") throw new UnsupportedError(`--native (="on") does not work here: ${problem}`);
  if (problem !== null) note(`machine code is not used: ${problem} (--native off silences this)`);
  return host;
}

/** What machine code is taken where no setting says, or why there is none. */
export function usualNative(): NativeState {
  const wanted = nativeFromEnvironment();
  return wanted === "off" ? { host: null, problem: "GRADALIGN_NATIVE switches it off" } : nodeNative(wanted === "on", { version: VERSION });
}

/** What GRADALIGN_NATIVE says; auto if it is empty or not set. */
function nativeFromEnvironment(): "auto" | "on" | "off" {
  const value = process.env["GRADALIGN_NATIVE"] || "auto";
  if (value === "auto" || value === "on" || value === "off") return value;
  throw new ConfigError(`GRADALIGN_NATIVE (="${value}") must be auto, on or off`);
}

/** What a run notes about where it is computed. */
export function machineOf({ backend, threads }: Device): RunMachine {
  return { backend, threads, version: VERSION, node: process.versions.node };
}

/** What decides the bits of a device and was chosen when it was opened. */
export function arithmeticOptions({ backend }: Pick<Device, "backend">, { tensorCores = "off" }: DeviceSettings): Arithmetic {
  return backend === "webgpu" ? { tensorCores } : {};
}

/**
 * Settings for going on where a run was computed before: what is not given is as it was asked for then, on the backend that was taken.
 *
 * @param run its newest checkpoint says what it was computed with.
 */
export function resumedSettings(given: RunSettings, asked: RunSettings, run: Pick<Run, "seal">): RunSettings {
  const backend = run.seal?.arithmetic.at(-1)?.backend as RunSettings["backend"];
  const before = { ...asked, ...(backend === undefined ? {} : { backend }) };
  // On a backend that was asked for anew, the other's options mean nothing.
  if (given.backend !== undefined && given.backend !== before.backend) {
    for (const name of ["precision", "tensorCores", "vectorBits", "native", "softwareGpu"] as const) delete before[name];
  }
  return { ...before, ...given };
}

/** The given settings that are not the training's. */
export function runSettingsOf(settings: Settings): RunSettings {
  return Object.fromEntries(Object.keys(RUN_OPTIONS).flatMap((name) => (name in settings ? [[name, settings[name as keyof RunSettings]]] : [])));
}
