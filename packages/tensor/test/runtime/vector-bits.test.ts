/** @file Code for wide registers, on engines that have them and on those that run it four elements at a time. */
import { add, conv2d, createDevice, type Device, grad, jit, matmul, mul, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";
import { pseudoRandom } from "../support/pseudo-random.ts";

const narrow = await createDevice({ threads: 2, vectorBits: 128 });
const wide = await createDevice({ threads: 2, vectorBits: 256 });
afterAll(() => {
  narrow.close();
  wide.close();
});

function random(shape: readonly number[], seed: number): Tensor {
  const next = pseudoRandom(seed);
  return tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * next() - 1),
    shape,
  );
}

/** Direct and Winograd convolutions with stride 1 and 2, a product, and the gradient of a gradient through all of them. */
function penalty(x: Value, w1: Value, w2: Value, w3: Value): Value {
  const loss = (input: Value): Value => {
    const deep = conv2d(conv2d(conv2d(input, w1, { padding: 1 }), w2, { padding: 1 }), w2, { stride: 2, padding: 1 });
    return sum(mul(matmul(sum(deep, [2, 3]), w3), 0.01));
  };
  return add(loss(x), sum(mul(grad((input: Value) => sum(mul(loss(input), loss(input))))(x), x)));
}

test("results are the same to the last bit", async () => {
  const args = [random([2, 3, 16, 16], 1), random([32, 3, 3, 3], 2), random([32, 32, 3, 3], 3), random([32, 16], 4)];
  const gradients = async (device: Device): Promise<number[][]> => {
    const step = jit(
      (x: Value, a: Value, b: Value, c: Value) =>
        [0, 1, 2].map((i) => grad((w: Value) => penalty(x, ...([a, b, c].with(i, w) as [Value, Value, Value])))([a, b, c][i]!)),
      { device },
    );
    return Promise.all(step(...(args as [Tensor, Tensor, Tensor, Tensor])).map(async (g) => [...(await g.read())]));
  };
  const expected = await gradients(narrow);
  expect(await gradients(wide)).toEqual(expected);
  expect(expected.flat().every(Number.isFinite)).toBe(true);
});

test("other widths are refused", async () => {
  await expect(createDevice({ vectorBits: 512 as never })).rejects.toThrow("vectorBits must be 128 or 256, got 512; leave it out for what is faster here");
});
