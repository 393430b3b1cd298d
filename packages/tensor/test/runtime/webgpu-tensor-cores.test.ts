/** @file Tensor cores in a device: off unless asked for, proven before they are trusted. The matrices are emulated. */
import { createDevice, type Device, jit, matmul, tensor, type Value } from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";
import { agree } from "../../src/runtime/webgpu/proof.ts";
import { emulatedTensorCores } from "../support/emulated-matrices.ts";
import { testGpu } from "../support/gpu.ts";

const opened: Device[] = [];
afterAll(() => {
  for (const device of opened) device.close();
});

/** A store that remembers. */
function memory(): { load(): Promise<string | null>; save(text: string): Promise<void>; tiles(): unknown[] } {
  let stored: string | null = null;
  return {
    load: async () => stored,
    async save(text) {
      stored = text;
    },
    tiles: () => Object.values((JSON.parse(stored ?? '{"gpus":{}}') as { gpus: Record<string, object> }).gpus).flatMap(Object.values),
  };
}

async function open(tensorCores: "off" | "on" | "auto", how: { wrong?: boolean } = {}) {
  const { shaders, ...options } = await emulatedTensorCores(how);
  const tuning = memory();
  const device = await createDevice({ backend: "webgpu", ...options, tensorCores, tuning });
  opened.push(device);
  const product = jit((x: Value, y: Value) => matmul(x, y), { device });
  const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => ((i * 7) % 11) - 5);
  const multiply = async (): Promise<ArrayLike<number>> => product(tensor(numbers(8 * 12), [8, 12]), tensor(numbers(12 * 8), [12, 8])).read();
  return { device, multiply, shaders, tuning };
}

const expected = await (await open("off")).multiply();
const usesMatrices = (tile: unknown): boolean => "matrix" in (tile as object);

test("off: no shader has them, tuned or not", async () => {
  const { device, multiply, shaders, tuning } = await open("off");
  await multiply();
  await device.tune!();
  expect(shaders).toEqual([]);
  expect(tuning.tiles().some(usesMatrices)).toBe(false);
});

test("on: used from the start, and after they are proven", async () => {
  const { device, multiply, shaders, tuning } = await open("on");
  expect(await multiply()).toEqual(expected);
  expect(shaders.length).toBe(1);
  await device.tune!();
  expect(await multiply()).toEqual(expected);
  expect(tuning.tiles().map(usesMatrices)).toEqual([true]);
});

test("on, but they compute wrongly: tuning turns to the plain kernels", async () => {
  const { device, multiply, tuning } = await open("on", { wrong: true });
  expect(await multiply()).not.toEqual(expected);
  await device.tune!();
  expect(await multiply()).toEqual(expected);
  expect(tuning.tiles().map(usesMatrices)).toEqual([false]);
});

test("auto: not used before they are proven, and never if they compute wrongly", async () => {
  const { device, multiply, shaders, tuning } = await open("auto", { wrong: true });
  expect(await multiply()).toEqual(expected);
  expect(shaders).toEqual([]);
  await device.tune!();
  expect(shaders.length).toBeGreaterThan(0);
  expect(await multiply()).toEqual(expected);
  expect(tuning.tiles().map(usesMatrices)).toEqual([false]);
});

test("agreement is to float16's rounding, of something", () => {
  const x = Float32Array.of(100, -3, 0);
  expect(agree(Float32Array.of(100.1, -3, 0.1), x)).toBe(true);
  expect(agree(Float32Array.of(100.3, -3, 0), x)).toBe(false);
  expect(agree(Float32Array.of(100, -3, Number.NaN), x)).toBe(false);
  expect(agree(new Float32Array(3), new Float32Array(3))).toBe(false);
});

test("what is refused", async () => {
  const options = await testGpu();
  await expect(createDevice({ backend: "webgpu", ...options, tensorCores: "auto" })).rejects.toThrow(
    'createDevice: tensorCores (="auto") needs float16; add precision: "float16", or leave it out',
  );
  await expect(createDevice({ backend: "webgpu", ...options, precision: "float16", tensorCores: "on" })).rejects.toThrow(/offers no tensor cores/);
  const device = await createDevice({ backend: "webgpu", ...options, precision: "float16", tensorCores: "auto" });
  device.close();
});
