/** @file What a pixel that is not finite does to Winograd's convolutions: it is never hidden, and never seen outside of the tiles that read it. */
import { conv2d, conv2dFilterGrad, conv2dInputGrad, type Device, jit, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";
import { numbers } from "../support/kernels.ts";

const { reference, tested } = await openDevices();

const [BATCH, CHANNELS, SIZE] = [2, 16, 12];
const SHAPE = [BATCH, CHANNELS, SIZE, SIZE];
const SPECIALS = [Infinity, -Infinity, Number.NaN];
/** In the second image: channel, row, column. */
const [CHANNEL, ROW, COLUMN] = [3, 5, 6];
const PLACE = ((CHANNELS + CHANNEL) * SIZE + ROW) * SIZE + COLUMN;

const image = numbers(BATCH * CHANNELS * SIZE * SIZE, 1);
const broken = (special: number): Tensor => tensor(image.with(PLACE, special), SHAPE);
const whole = tensor(image, SHAPE);
const filter = tensor(numbers(CHANNELS * CHANNELS * 9, 2), [CHANNELS, CHANNELS, 3, 3]);
const other = tensor(numbers(BATCH * CHANNELS * SIZE * SIZE, 3), SHAPE);

const run = async (f: (x: Value) => Value, x: Tensor, device: Device): Promise<Float32Array> => (await jit(f, { device })(x).read()) as Float32Array;

/** Whether a result at this row or column belongs to a tile of four that reads the pixel: tiles read one element beyond their sides. */
const reads = (at: number, pixel: number): boolean => Math.abs(Math.floor(at / 4) * 4 + 1.5 - pixel) < 3;

describe.each(tested)("%s", (_, device) => {
  test.each([
    ["conv2d", (x: Value) => conv2d(x, filter, { padding: 1 })],
    ["conv2dInputGrad", (x: Value) => conv2dInputGrad(x, filter, { padding: 1, inputShape: SHAPE })],
  ] as const)("%s", async (__, f) => {
    const without = await run(f, whole, device);
    expect(without.every(Number.isFinite)).toBe(true);
    for (const special of SPECIALS) {
      const [seen, right] = [await run(f, broken(special), device), await run(f, broken(special), reference)];
      let touched = 0;
      seen.forEach((value, i) => {
        const [n, row, column] = [Math.floor(i / (CHANNELS * SIZE * SIZE)), Math.floor(i / SIZE) % SIZE, i % SIZE];
        if (!Number.isFinite(right[i]!)) expect(Number.isFinite(value), `result ${i}`).toBe(false);
        if (n === 1 && reads(row, ROW) && reads(column, COLUMN)) touched++;
        else expect(value, `result ${i}`).toBe(without[i]);
      });
      expect(touched).toBeGreaterThan(0);
    }
  });

  test("conv2dFilterGrad", async () => {
    const f = (x: Value): Value => conv2dFilterGrad(x, other, { padding: 1, filterShape: [CHANNELS, CHANNELS, 3, 3] });
    const without = await run(f, whole, device);
    for (const special of SPECIALS) {
      const [seen, right] = [await run(f, broken(special), device), await run(f, broken(special), reference)];
      seen.forEach((value, i) => {
        if (!Number.isFinite(right[i]!)) expect(Number.isFinite(value), `result ${i}`).toBe(false);
        if (Math.floor(i / 9) % CHANNELS !== CHANNEL) expect(value, `result ${i}`).toBe(without[i]);
      });
    }
  });
});
