/** @file Sums of many float32 terms stay within the bound that docs/reliability.md states, where plain running sums drift by more, and have the
 * same bits on any number of threads. */
import {
  conv2d,
  createDevice,
  type Device,
  gather,
  grad,
  jit,
  matmul,
  mean,
  mul,
  reshape,
  sum,
  type Tensor,
  tensor,
  transpose,
  type Value,
} from "@gradalign/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { testGpu } from "../support/gpu.ts";

const gpu = await createDevice({ backend: "webgpu", ...(await testGpu()) });
const threads = await Promise.all([1, 3].map((count) => createDevice({ backend: "wasm", threads: count })));
afterAll(() => {
  for (const device of [gpu, ...threads]) device.close();
});

const filled = (shape: number[], value: number): Tensor => tensor(new Float32Array(shape.reduce((n, extent) => n * extent, 1)).fill(value), shape);
const TERM = Math.fround(0.48);

describe.each([["wasm", threads] as const, ["webgpu", [gpu]] as const])("%s", (backend, devices) => {
  /** Prime, so that no even parts help; fewer where a GPU is imitated. */
  const long = backend === "wasm" ? 4_999_999 : 1_299_709;

  /** Every element of f is `expected` to within `units` units of 2⁻²⁴ of its terms' magnitudes, on every device with the same bits. */
  async function within(f: (...args: Value[]) => Value, args: readonly Tensor[], expected: number, units: number, magnitudes = expected): Promise<void> {
    let first: ArrayLike<number> | undefined;
    for (const device of devices as readonly Device[]) {
      const result = jit(f, { device })(...args);
      const values = await result.read();
      result.dispose();
      expect(Math.max(...Array.from(values, (v) => Math.abs(v - expected) / magnitudes))).toBeLessThan(units * 2 ** -24);
      first ??= values;
      expect(values).toEqual(first);
    }
    for (const arg of args) arg.dispose();
  }

  test("the mean of equal numbers", async () => {
    await within((x) => mean(x), [filled([long], TERM)], TERM, 64);
  });

  test("along rows, along columns, and around a kept axis", async () => {
    const rest = Math.floor(long / 4);
    await within((x) => mean(x, [1]), [filled([4, rest], TERM)], TERM, 64);
    await within((x) => mean(x, [0]), [filled([rest, 4], TERM)], TERM, 64);
    await within((x) => mean(x, [0]), [filled([rest, 3], TERM)], TERM, 64);
    await within((x) => mean(x, [0, 2]), [filled([101, 5, Math.floor(long / 505)], TERM)], TERM, 64);
  });

  test("numbers of alternating signs, which cancel between lanes only", async () => {
    const [plus, minus] = [Math.fround(0.7001), Math.fround(-0.7)];
    const half = Math.floor(long / 8);
    const data = new Float32Array(8 * half).fill(plus);
    for (let i = 1; i < data.length; i += 2) data[i] = minus;
    const [total, magnitudes] = [half * (plus + minus), half * (plus - minus)];
    await within((x) => sum(x), [tensor(data, [8 * half])], 4 * total, 256, 4 * magnitudes);
    await within((x) => sum(x, [1]), [tensor(data, [4, 2 * half])], total, 256, magnitudes);
  });

  test("long inner products, in both forms", async () => {
    const k = backend === "wasm" ? 1_000_003 : 200_003;
    for (const [m, n] of [
      [1, 4],
      [3, 5],
    ] as const) {
      const product = Math.fround(TERM) * TERM * k;
      await within((a, b) => matmul(a, b), [filled([m, k], TERM), filled([k, n], TERM)], product, 1024);
      await within((a, b) => matmul(transpose(a), b), [filled([k, m], TERM), filled([k, n], TERM)], product, 1024);
    }
  });

  test("a filter gradient over many pixels", async () => {
    const batch = backend === "wasm" ? 3001 : 307;
    const f = (w: Value, x: Value): Value => grad((v: Value) => sum(mul(conv2d(x, v), TERM)))(w) as Value;
    await within(f, [filled([5, 3, 1, 1], 0), filled([batch, 3, 16, 16], TERM)], TERM * TERM * batch * 256, 256);
  });

  test("convolutions that planar and Winograd's kernels would sum up in one go", async () => {
    const gradient = (w: Value, x: Value): Value => grad((v: Value) => sum(mul(conv2d(x, v), TERM)))(w) as Value;
    const square = TERM * TERM;
    const side = backend === "wasm" ? 256 : 128;
    await within(gradient, [filled([4, 3, 3, 3], 0), filled([1, 3, side + 2, side + 2], TERM)], square * side ** 2, 1024);
    await within((w, x) => conv2d(x, w), [filled([2, 3, 57, 57], TERM), filled([1, 3, 64, 64], TERM)], square * 3 * 57 ** 2, 512);
    // Prime, so that the rows of tiles are not shared out.
    const batch = backend === "wasm" ? 16_411 : 211;
    await within(gradient, [filled([16, 16, 3, 3], 0), filled([batch, 16, 6, 6], TERM)], square * 16 * batch, 512);
  });

  test("many values scattered to one place", async () => {
    const count = backend === "wasm" ? 1_000_003 : 20_011;
    const at = tensor(new Int32Array(count).fill(1), [count], "int32");
    const f = (y: Value, u: Value): Value => reshape(gather(grad((w: Value) => sum(mul(gather(w, [at]), u)))(y) as Value, [tensor([1], [1], "int32")]), [1]);
    await within(f, [filled([3], 0), filled([count], TERM)], TERM * count, 64);
  });

  test("infinities and NaN come through", async () => {
    for (const special of [Infinity, -Infinity, NaN]) {
      const data = new Float32Array(100_003).fill(1);
      data[5] = special;
      for (const device of devices as readonly Device[]) {
        const result = jit((x: Value) => sum(x), { device })(tensor(data));
        expect([...(await result.read())]).toEqual([special]);
      }
    }
  });
});
