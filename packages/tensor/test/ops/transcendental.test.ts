/** @file Transcendental functions at the edges of float32: overflow, underflow, NaN, and relative accuracy near zero. */
import { type Device, exp, grad, jit, log, sum, type Tensor, tanh, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();

async function map(f: (x: Value) => Value, values: readonly number[], device: Device): Promise<number[]> {
  return [...(await (jit(f, { device })(Float32Array.from(values)) as Tensor).read())];
}

/** Largest |actual − expected| / |expected|. */
function worst(actual: readonly number[], expected: readonly number[]): number {
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value) / Math.abs(value)));
}

/** Values of both signs whose magnitudes are spread evenly over a logarithmic range; a count that is no multiple of four also
 * covers code for single elements. */
function logarithmic(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround((i % 2 === 0 ? 1 : -1) * from * (to / from) ** (i / (count - 1))));
}

const devices: [string, Device][] = [["reference", reference], ...tested];

describe.each(devices)("%s", (_, device) => {
  test("exp beyond the range of float32", async () => {
    const x = [-200, -Infinity, Infinity, NaN, 89, -104, -1000, 0, -0];
    expect(await map(exp, x, device)).toEqual(
      [0, 0, Infinity, NaN, Infinity, 0, 0, 1, 1].map((y, i) => (device === reference ? Math.fround(Math.exp(x[i]!)) : y)),
    );
  });

  test("exp down to the subnormals", async () => {
    const x = [-87.5, -95, -100, -103, -103.9];
    const actual = await map(exp, x, device);
    x.forEach((value, i) => {
      // WGSL may take subnormal numbers for zero, and results below 2^-126 are some.
      if (device.backend === "webgpu" && actual[i] === 0 && Math.exp(value) < 2 ** -126) return;
      // Half a unit of the smallest subnormal, and the formula's relative error.
      expect(Math.abs(actual[i]! - Math.exp(Math.fround(value)))).toBeLessThan(2 ** -149 + 3e-7 * Math.exp(value));
      expect(actual[i]).toBeGreaterThan(0);
    });
  });

  test("exp is accurate to a few units in the last place", async () => {
    const x = logarithmic(1e-6, 87, 1001);
    expect(worst(await map(exp, x, device), x.map(Math.exp))).toBeLessThan(2.5e-7);
  });

  test("log at its edges, and of subnormals", async () => {
    expect(await map(log, [0, -1, Infinity, NaN, 1], device)).toEqual([-Infinity, NaN, Infinity, NaN, 0]);
    // WGSL may take subnormal numbers for zero.
    const subnormal = device.backend === "webgpu" ? [] : [1e-45, 1e-40];
    const x = [...subnormal, 1.1754945e-38, 3.4e38].map(Math.fround);
    expect(worst(await map(log, x, device), x.map(Math.log))).toBeLessThan(2e-7);
  });

  test("tanh is accurate relative to its value, also near zero", async () => {
    const x = logarithmic(1e-6, 10, 1003);
    expect(worst(await map(tanh, x, device), x.map(Math.tanh))).toBeLessThan(1e-6);
    expect(await map(tanh, [0, 1e-30, 50, -50, Infinity, -Infinity, NaN], device)).toEqual([0, Math.fround(1e-30), 1, -1, 1, -1, NaN]);
  });

  test("tanh's derivatives of first and second order", async () => {
    const derivative = (x: Value): Value => grad((y: Value) => sum(tanh(y)))(x);
    const second = (x: Value): Value => grad((y: Value) => sum(derivative(y)))(x);
    const x = [0, 1e-4, -0.3, 0.62, 0.63, -2, 5, 100, -100];
    const slope = x.map((value) => 1 / Math.cosh(value) ** 2);
    (await map(derivative, x, device)).forEach((value, i) => {
      expect(value).toBeCloseTo(slope[i]!, 6);
    });
    (await map(second, x, device)).forEach((value, i) => {
      expect(value).toBeCloseTo(-2 * Math.tanh(x[i]!) * slope[i]!, 6);
    });
    expect(await map(derivative, [0], device)).toEqual([1]);
  });
});
