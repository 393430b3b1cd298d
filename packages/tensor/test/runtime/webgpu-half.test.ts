/** @file Programs whose intermediate values are in float16: rounded once per value, infinite beyond its range, and equal in bits from run to run. */
import { conv2d, createDevice, type Device, grad, jit, mul, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";
import { relativeError } from "../support/devices.ts";
import { testGpu } from "../support/gpu.ts";
import { type Network, networkInputs, networkLoss } from "../support/small-network.ts";

const half = await createDevice({ backend: "webgpu", precision: "float16", ...(await testGpu()) });
const whole = await createDevice({ backend: "webgpu", ...(await testGpu()) });
const reference = await createDevice({ backend: "reference" });
afterAll(() => {
  half.close();
  whole.close();
});

/** An image of 8 channels, one number per pixel, through the identity convolution: the numbers as they come out of memory. */
async function stored(device: Device, values: readonly number[]): Promise<number[]> {
  const x = new Float32Array(8 * 16 * 32);
  x.set(values);
  const identity = Float32Array.from({ length: 64 }, (_, i) => (i % 9 === 0 ? 1 : 0));
  const f = jit((images: Value, w: Value) => mul(conv2d(images, w), 2), { device });
  const y = await f(tensor(x, [1, 8, 16, 32]), tensor(identity, [8, 8, 1, 1])).read();
  return Array.from(y.subarray(0, values.length), (value) => value / 2);
}

test("values are rounded to eleven bits, and those beyond the range become infinite", async () => {
  const cases = [0, 1, -1, 1 / 3, 1 + 2 ** -10, 1 + 2 ** -12, 2 ** -14, 65504, -65504, 65519, 65520, 1e5, -1e9];
  const actual = await stored(half, cases);
  const infinity = Number.POSITIVE_INFINITY;
  expect(actual.slice(7)).toEqual([65504, -65504, 65504, infinity, infinity, -infinity]);
  // A GPU may round to either neighbour.
  for (const [i, value] of cases.slice(0, 7).entries()) expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(2 ** -10 * Math.abs(value));
  for (const i of [0, 1, 2, 4, 6]) expect(actual[i]).toBe(cases[i]);
  expect(actual[3]).not.toBe(Math.fround(1 / 3));
  expect(await stored(whole, [1 / 3, 1e5])).toEqual([Math.fround(1 / 3), 1e5]);
});

test("NaN and infinities stay what they are", async () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  expect(await stored(half, [nan, infinity, -infinity, 3])).toEqual([nan, infinity, -infinity, 3]);
});

const gradients = (device: Device, scale: number): ((network: Network) => unknown) =>
  jit((network: Network) => grad((n: Network) => mul(networkLoss(n), scale))(network as never), { device });

async function computed(device: Device, scale: number): Promise<Record<string, ArrayLike<number>>> {
  const result = gradients(device, scale)(networkInputs()) as Record<string, Tensor>;
  return Object.fromEntries(await Promise.all(Object.entries(result).map(async ([name, value]) => [name, await value.read()] as const)));
}

/** Eleven bits are 5e-4 for a value; sums average that out, normalised cotangents, which are small differences, add some. */
const TOLERANCE = 5e-3;

test("a network's gradients, with the loss scaled", { timeout: 180_000 }, async () => {
  const scale = 2 ** 10;
  const [actual, expected] = [await computed(half, scale), await computed(reference, scale)];
  for (const name of Object.keys(expected)) {
    const error = relativeError(actual[name]!, expected[name]!);
    expect(error, name).toBeLessThan(TOLERANCE);
    // Float32 would be this good.
    expect(error, name).toBeGreaterThan(1e-5);
  }
  expect(await computed(half, scale)).toEqual(actual);
});

test("gradients that overflow show it", { timeout: 180_000 }, async () => {
  const { w1 } = await computed(half, 2 ** 30);
  expect(Array.from(w1!).some((value) => !Number.isFinite(value))).toBe(true);
});

test("less memory is needed", () => {
  const bytes = (device: Device): number => {
    const f = jit((network: Network) => grad((n: Network) => networkLoss(n))(network as never), { device });
    f(networkInputs());
    return f.stats()!.arenaBytes;
  };
  expect(bytes(half)).toBeLessThan(0.65 * bytes(whole));
});
