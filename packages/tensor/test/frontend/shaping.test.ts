/** @file Functions composed of several operations: argmax, concat, and reductions of narrow types. */
import { argmax, concat, type Device, evaluate, max, mean, sum, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();
const devices: [string, Device][] = [["reference", reference], ...tested];

describe.each(devices)("%s", (_, device) => {
  const numbers = async (value: Value): Promise<number[]> => [...(await evaluate(value, device).read())];

  test("argmax takes the first of equals", async () => {
    expect(
      await numbers(
        argmax(
          tensor([
            [1, 3, 3, 0, 3],
            [-5, -5, -6, -5, -7],
          ]),
        ),
      ),
    ).toEqual([1, 0]);
    expect(
      await numbers(
        argmax(
          tensor([
            [1, 3],
            [4, 2],
            [4, 3],
          ]),
          0,
        ),
      ),
    ).toEqual([1, 0]);
    expect(await numbers(argmax(tensor([-Infinity, -Infinity])))).toEqual([0]);
  });

  test("argmax of a row with NaN is the first NaN, never out of range", async () => {
    const rows = [
      [1, NaN, 3, NaN, Infinity],
      [NaN, NaN, NaN, NaN, NaN],
      [1, 2, 3, 4, NaN],
      [1, 5, 3, 4, 0],
    ];
    expect(await numbers(argmax(tensor(rows)))).toEqual([1, 0, 4, 1]);
  });

  test("argmax of every element type", async () => {
    for (const dtype of ["int32", "uint8", "bool"] as const) expect(await numbers(argmax(tensor([0, 1, 1, 0], [4], dtype)))).toEqual([1]);
    expect(argmax(tensor([1, 2])).dtype).toBe("int32");
  });

  test("concat of every element type keeps it", async () => {
    for (const dtype of ["float32", "int32", "uint8", "bool"] as const) {
      const joined = concat([tensor([1, 0], [2], dtype), tensor([1], [1], dtype), tensor([0, 0, 1], [3], dtype)]);
      expect(joined.dtype).toBe(dtype);
      expect(await numbers(joined)).toEqual([1, 0, 1, 0, 0, 1]);
    }
    const bytes = tensor(Uint8Array.of(200, 255));
    expect(await numbers(concat([bytes, bytes]))).toEqual([200, 255, 200, 255]);
  });

  test("bytes and booleans are reduced as integers", async () => {
    const bytes = tensor(Uint8Array.of(200, 255, 7));
    expect([sum(bytes).dtype, max(bytes).dtype, mean(bytes).dtype]).toEqual(["int32", "int32", "float32"]);
    expect(await numbers(sum(bytes))).toEqual([462]);
    expect(await numbers(max(bytes))).toEqual([255]);
    expect(await numbers(mean(bytes))).toEqual([154]);
    expect(await numbers(sum(tensor([true, false, true])))).toEqual([2]);
  });
});
