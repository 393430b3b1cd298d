/** @file int32 arithmetic wraps around on every device. */
import { abs, add, type Device, evaluate, mul, neg, shiftRight, sub, sum, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();
const devices: [string, Device][] = [["reference", reference], ...tested];

const EDGES = [0, 1, -1, 7, 65537, -65536, 123456789, -987654321, 2 ** 31 - 1, -(2 ** 31)];
const pairs = EDGES.flatMap((a) => EDGES.map((b) => [a, b] as const));

describe.each(devices)("%s", (_, device) => {
  const ints = (numbers: readonly number[]): Value => tensor(Int32Array.from(numbers));
  const numbers = async (value: Value): Promise<number[]> => [...(await evaluate(value, device).read())];
  const [a, b] = [ints(pairs.map(([x]) => x)), ints(pairs.map(([, y]) => y))];

  test("sums, differences, products", async () => {
    expect(await numbers(add(a, b))).toEqual(pairs.map(([x, y]) => (x + y) | 0));
    expect(await numbers(sub(a, b))).toEqual(pairs.map(([x, y]) => (x - y) | 0));
    expect(await numbers(mul(a, b))).toEqual(pairs.map(([x, y]) => Math.imul(x, y)));
    expect(await numbers(sum(a))).toEqual([pairs.reduce((total, [x]) => (total + x) | 0, 0)]);
  });

  test("negation, magnitude, shifts", async () => {
    expect(await numbers(neg(a))).toEqual(pairs.map(([x]) => -x | 0));
    expect(await numbers(abs(a))).toEqual(pairs.map(([x]) => Math.abs(x) | 0));
    for (const bits of [0, 1, 8, 31]) expect(await numbers(shiftRight(a, bits))).toEqual(pairs.map(([x]) => (x >>> bits) | 0));
  });
});
