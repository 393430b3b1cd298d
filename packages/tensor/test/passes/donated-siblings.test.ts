/** @file A donated buffer is not taken over by one result of a kernel while another result of it still reads the buffer. */
import { add, createDevice, jit, mul, sub, type Tensor, tensor, transpose, type Value } from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";

const device = await createDevice({ threads: 1 });
afterAll(() => device.close());

test("two updates that share a gradient keep their old values apart", () => {
  // The results' order is the other way round from the arguments': the velocity comes first and fits the parameter's buffer.
  const update = (p: Value, v: Value, g: Value) => {
    const velocity = add(mul(v, 0.5), transpose(mul(add(g, 1), add(g, 2))));
    return { a: velocity, b: sub(p, mul(velocity, 0.1)) };
  };
  const numbers = (seed: number, shape: number[]): Tensor =>
    tensor(
      Float32Array.from({ length: 64 * 96 }, (_, i) => Math.sin(seed * i)),
      shape,
    );
  const run = (donate: number[]): number[][] => {
    const step = jit(update, { device, donate });
    const { a, b } = step(numbers(1, [64, 96]), numbers(2, [64, 96]), numbers(3, [96, 64])) as { a: Tensor; b: Tensor };
    return [[...a.data()], [...b.data()]];
  };
  const expected = run([]);
  for (const donate of [[0], [1], [0, 1]]) expect(run(donate)).toEqual(expected);
});
