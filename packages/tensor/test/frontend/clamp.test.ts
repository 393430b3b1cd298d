/** @file clamp: its rule where low is above high, for numbers and tensors, its values and derivatives on every device, as `torch.clamp` has them. */
import { clamp, type Device, grad, jit, sum, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();
const devices: [string, Device][] = [["reference", reference], ...tested];
const x = tensor([-2, -1, 0, 0.5, 1, 2, Number.NaN]);

/** low, high, values, derivatives of their sum by x, by low and by high. */
const CASES: [low: number, high: number, values: number[], byX: number[], byLow: number, byHigh: number][] = [
  [-1, 1, [-1, -1, 0, 0.5, 1, 1, Number.NaN], [0, 1, 1, 1, 1, 0, 1], 1, 1],
  [0.25, 0.25, [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, Number.NaN], [0, 0, 0, 0, 0, 0, 1], 3, 3],
  [3, 0.25, [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, Number.NaN], [0, 0, 0, 0, 0, 0, 1], 0, 6],
  [Infinity, -Infinity, [-Infinity, -Infinity, -Infinity, -Infinity, -Infinity, -Infinity, Number.NaN], [0, 0, 0, 0, 0, 0, 1], 0, 6],
  [-Infinity, Infinity, [-2, -1, 0, 0.5, 1, 2, Number.NaN], [1, 1, 1, 1, 1, 1, 1], 0, 0],
];

describe.each(devices)("%s", (_, device) => {
  test.each(CASES)("[%d, %d]", async (low, high, values, byX, byLow, byHigh) => {
    const numbers = jit((v: Value) => [clamp(v, low, high), grad((u: Value) => sum(clamp(u, low, high)))(v)] as const, { device })(x);
    const total = (v: Value, from: Value, to: Value): Value => sum(clamp(v, from, to));
    const tensors = jit((v: Value, from: Value, to: Value) => [clamp(v, from, to), ...([0, 1, 2] as const).map((i) => grad(total, i)(v, from, to))], {
      device,
    })(x, tensor(low), tensor(high));
    for (const [result, slope] of [numbers, tensors]) {
      expect([...(await result!.read())]).toEqual(values);
      expect([...(await slope!.read())]).toEqual(byX);
    }
    expect([(await tensors[2]!.read())[0], (await tensors[3]!.read())[0]]).toEqual([byLow, byHigh]);
  });

  test("integers, bounds of each element", async () => {
    const f = jit((v: Value, low: Value, high: Value) => clamp(v, low, high), { device });
    const result = f(Int32Array.of(-5, 0, 7, 7), Int32Array.of(-3, 1, 0, 9), Int32Array.of(3, 2, 9, 4));
    expect([...(await result.read())]).toEqual([-3, 1, 7, 4]);
  });
});
