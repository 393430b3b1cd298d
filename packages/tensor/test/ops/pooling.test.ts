/** @file Pooling where elements are equal, infinite or NaN, and where the window looks into the padding. */
import { avgPool2d, createDevice, grad, jit, maxPool2d, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";

const devices = await Promise.all((["reference", "wasm"] as const).map(async (backend) => [backend, await createDevice({ backend })] as const));

/** An image of one channel, four times: so many channels fill a vector. */
const image = (rows: readonly (readonly number[])[]): Tensor =>
  tensor(Float32Array.from([1, 2, 3, 4].flatMap(() => rows.flat())), [1, 4, rows.length, rows[0]!.length]);
const first = (value: Tensor): number[] => [...value.data()].slice(0, value.shape[2]! * value.shape[3]!);

describe.each(devices)("%s", (_, device) => {
  const run = (f: (x: Value) => Value, rows: readonly (readonly number[])[]): number[] => first(jit(f, { device })(image(rows)));
  const largest = (x: Value): Value => maxPool2d(x, { kernel: 2 });
  const gradient = (x: Value): Value => grad((x: Value) => sum(largest(x)))(x);

  test("of equal elements the first has the gradient", () => {
    expect(
      run(largest, [
        [3, 3, 0, 7],
        [3, 1, 7, 7],
      ]),
    ).toEqual([3, 7]);
    expect(
      run(gradient, [
        [3, 3, 0, 7],
        [3, 1, 7, 7],
      ]),
    ).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
  });

  test("NaN is larger than all, the last of several", () => {
    expect(
      run(largest, [
        [Infinity, NaN],
        [1, NaN],
      ]),
    ).toEqual([NaN]);
    expect(
      run(gradient, [
        [Infinity, NaN],
        [1, NaN],
      ]),
    ).toEqual([0, 0, 0, 1]);
    expect(
      run(largest, [
        [-Infinity, -Infinity],
        [-Infinity, -Infinity],
      ]),
    ).toEqual([-Infinity]);
  });

  test.each([
    { kernel: 3, stride: 2, padding: 1, gradient: [1, 1, 0, 1, 1, 0, 0, 0, 0] },
    // The border is two rows wide, of which one looks further into the image than the other.
    { kernel: 5, stride: 1, padding: 2, gradient: [9, 0, 0, 0, 0, 0, 0, 0, 0] },
  ])("padding is never chosen, even where the window of $kernel holds nothing above −∞", ({ gradient: expected, ...pooling }) => {
    const rows = Array.from({ length: 3 }, () => [-Infinity, -Infinity, -Infinity]);
    expect(run((x) => grad((x: Value) => sum(maxPool2d(x, pooling)))(x), rows)).toEqual(expected);
  });

  test("padding is below every number, but counts for a mean", () => {
    const rows = [
      [-8, -4],
      [-2, -6],
    ];
    expect(run((x) => maxPool2d(x, { kernel: 2, padding: 1, stride: 1 }), rows)).toEqual([-8, -4, -4, -2, -2, -4, -2, -2, -6]);
    expect(run((x) => avgPool2d(x, { kernel: 2, padding: 1 }), rows)).toEqual([-2, -1, -0.5, -1.5]);
  });
});
