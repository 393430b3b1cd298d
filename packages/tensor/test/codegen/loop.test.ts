/** @file Loop kernels where lanes are difficult: guards that run backwards or in steps, tails, strided and repeated operands, narrow
 * element types. */
import {
  add,
  broadcastTo,
  convert,
  type Device,
  flip,
  gather,
  jit,
  lt,
  max,
  maximum,
  min,
  minimum,
  mul,
  pad,
  reshape,
  slice,
  sum,
  type Tensor,
  tensor,
  transpose,
  type Value,
  where,
} from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();

async function same(device: Device, f: (x: Value) => Value, x: Tensor): Promise<void> {
  const run = async (on: Device): Promise<number[]> => [...(await jit(f, { device: on })(x).read())];
  const expected = await run(reference);
  expect(await run(device)).toEqual(expected);
}

const count = (n: number): Tensor => tensor(Float32Array.from({ length: n }, (_, i) => i + 1));

describe.each(tested)("%s", (_, device) => {
  test("padding read backwards and in steps", async () => {
    for (const n of [1, 3, 4, 5, 8, 9, 17]) {
      await same(device, (x) => flip(pad(x, [[1, 2]]), [0]), count(n));
      await same(device, (x) => pad(flip(x, [0]), [[3, 0]], 7), count(n));
      await same(device, (x) => slice(pad(x, [[4, 5]], -1), [1], [n + 8], [2]), count(n));
      await same(device, (x) => flip(slice(pad(x, [[2, 9]]), [0], [n + 10], [3]), [0]), count(n));
      await same(device, (x) => pad(pad(x, [[1, 1]], 3), [[2, 0]], 5), count(n));
      await same(device, (x) => add(pad(x, [[0, 4]]), pad(x, [[4, 0]])), count(n));
    }
  });

  test("whole rows gathered by computed numbers, some of which are out of range", async () => {
    const numbers = tensor([-3, 0, 5, 9, 2, 2, 1], [7], "int32");
    for (const width of [1, 3, 4, 5, 19, 48]) {
      const x = tensor(
        Float32Array.from({ length: 6 * width }, (_, i) => (i * 37) % 200),
        [6, width],
      );
      const rows = (value: Value): Value => gather(value, [add(numbers, 1)]);
      await same(device, rows, x);
      await same(device, (value) => convert(rows(convert(value, "uint8")), "float32"), x);
      await same(device, (value) => convert(rows(lt(value, 99)), "float32"), x);
      await same(device, (value) => sum(rows(value), [0]), x);
      await same(device, (value) => sum(rows(value), [1]), x);
      await same(
        device,
        (value) =>
          pad(
            mul(rows(value), 2),
            [
              [1, 0],
              [2, 1],
            ],
            7,
          ),
        x,
      );
    }
  });

  test("padding of images on every side, with a reduction behind it", async () => {
    const image = tensor(
      Float32Array.from({ length: 2 * 5 * 6 }, (_, i) => i - 20),
      [2, 5, 6],
    );
    const padded = (x: Value): Value =>
      pad(
        x,
        [
          [0, 0],
          [1, 2],
          [3, 1],
        ],
        -5,
      );
    await same(device, padded, image);
    await same(device, (x) => sum(padded(x), [2]), image);
    await same(device, (x) => max(flip(padded(x), [1, 2]), [1]), image);
    await same(device, (x) => min(transpose(padded(x), [2, 0, 1]), [0, 2]), image);
  });

  test("bounds and selected constants with NaN, infinities and both zeros", async () => {
    // WGSL promises nothing about the sign of zero.
    const zeros = device.backend === "webgpu" ? [0] : [0, -0];
    const special = tensor(Float32Array.of(Number.NaN, Infinity, -Infinity, ...zeros, 1, -1, 0.5, -0.5, 3e38, -3e38));
    for (const bound of [0.5, -0.5, ...zeros, Infinity, -Infinity, Number.NaN]) {
      await same(device, (x) => minimum(x, bound), special);
      await same(device, (x) => maximum(bound, x), special);
      await same(device, (x) => where(lt(x, 1), x, bound), special);
      await same(device, (x) => where(lt(x, 1), bound, x), special);
    }
    await same(device, (x) => where(lt(x, 1), x, mul(x, 2)), special);
  });

  test("every length around the width of the lanes", async () => {
    for (let n = 1; n <= 21; n++) {
      await same(device, (x) => mul(add(x, 1), x), count(n));
      await same(device, (x) => sum(x), count(n));
      await same(device, (x) => max(broadcastTo(x, [3, n]), [0]), count(n));
    }
  });

  test("reductions of many elements, split into parts or not", async () => {
    for (const shape of [[70_000], [130, 700], [700, 130], [64, 3, 512], [1, 100_003]]) {
      const n = shape.reduce((a, b) => a * b, 1);
      const x = tensor(
        Float32Array.from({ length: n }, (_, i) => ((i * 7919) % 17) - 8),
        shape,
      );
      for (let axis = 0; axis < shape.length; axis++) await same(device, (v) => sum(v, [axis]), x);
      await same(device, (v) => sum(v), x);
      await same(device, (v) => max(v), x);
    }
  });

  test("narrow element types, stored one by one and read in lanes", async () => {
    const bytes = tensor(Uint8Array.from({ length: 37 }, (_, i) => i * 7));
    await same(device, (x) => convert(mul(x, 2), "uint8"), bytes);
    await same(device, (x) => convert(lt(x, 100), "float32"), bytes);
    await same(device, (x) => where(lt(x, 100), convert(x, "float32"), 0.5), bytes);
    await same(device, (x) => flip(lt(x, 100), [0]), bytes);
    await same(device, (x) => sum(lt(x, 100)), bytes);
  });

  test("gathers with indices beyond the ends are clipped", async () => {
    const table = tensor(
      Float32Array.from({ length: 15 }, (_, i) => i),
      [5, 3],
    );
    const rows = tensor([-1, 0, 4, 5, 100, 2, -(2 ** 31), 2 ** 31 - 1], [8], "int32");
    await same(device, (x) => gather(x, [rows]), table);
    await same(device, (x) => gather(x, [rows, 1]), table);
    await same(device, (x) => gather(transpose(x), [2, rows]), table);
  });
});

test.each(tested)("rows of one buffer in two shapes are gathered each by its own stride, on %s", async (_, device) => {
  const f = jit((x: Value, i: Value) => add(slice(gather(reshape(x, [4, 6]), [i]), [0, 0], [1, 4]), gather(reshape(x, [6, 4]), [i])), { device });
  const x = tensor(
    Float32Array.from({ length: 24 }, (_, i) => i),
    [2, 12],
  );
  expect([...(await f(x, Int32Array.of(2)).read())]).toEqual([12 + 8, 13 + 9, 14 + 10, 15 + 11]);
});
