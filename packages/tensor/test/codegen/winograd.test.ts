/** @file Winograd's convolution and its filter gradient as one kernel each, on shapes whose tiles do not divide evenly into tasks. */
import { conv2d, createDevice, grad, jit, mul, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import { CPU } from "../../src/ir/target.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { relativeError } from "../support/relative-error.ts";

const reference = await createDevice({ backend: "reference" });
const [one, two] = [await createDevice({ backend: "wasm", threads: 1 }), await createDevice({ backend: "wasm", threads: 2 })];
const wide = await createDevice({ backend: "wasm", threads: 1, vectorBits: 256 });
afterAll(() => {
  for (const device of [one, two, wide]) device.close();
});

const numbers = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, (_, i) => Math.sin(seed * i * i + i)),
    shape,
  );

/** Images, height, width, input and output channels. */
test.each([
  // Seven rows of tiles in tasks of four: the second task does one row again.
  [1, 28, 12, 128, 16],
  // Tasks that begin in one image and end in the next.
  [5, 12, 20, 64, 24],
  [3, 4, 4, 16, 16],
  [2, 8, 4, 24, 200],
])("%i images of %i x %i, %i to %i channels", async (images, height, width, inputs, outputs) => {
  const convolve = (x: Value, w: Value): Value => conv2d(x, w, { padding: 1 });
  const x = numbers([images, inputs, height, width], 0.1);
  const w = numbers([outputs, inputs, 3, 3], 0.7);
  const nodes = [x, w].map((value) => new Node("input", [], {}, value.shape, "float32"));
  const { calls } = compileGraph(nodes, [convolve(nodes[0]!, nodes[1]!) as Node], [false, false], CPU);
  expect(calls.map(({ kernel }) => kernel.kind)).toContain("winograd-conv");

  const run = async (device: typeof one): Promise<Float32Array> => (await jit(convolve, { device })(x, w).read()) as Float32Array;
  const result = await run(one);
  expect(relativeError(result, await run(reference))).toBeLessThan(5e-6);
  expect(await run(two)).toEqual(result);
  expect(await run(wide)).toEqual(result);
});

test("rows of more tiles than a filter gradient takes at once", async () => {
  const args = [numbers([1, 16, 4, 260], 0.1), numbers([16, 16, 3, 3], 0.7), numbers([1, 16, 4, 260], 0.4)] as const;
  const run = async (device: typeof one): Promise<Float32Array> => (await jit(filterGradient, { device })(...args).read()) as Float32Array;
  const result = await run(two);
  expect(relativeError(result, await run(reference))).toBeLessThan(5e-6);
});

test("a profiled run gives the same result", async () => {
  const convolve = (x: Value, w: Value): Value => conv2d(x, w, { padding: 1 });
  const step = jit(convolve, { device: one });
  const args = [numbers([2, 16, 8, 8], 0.3), numbers([16, 16, 3, 3], 0.2)] as const;
  const expected = await step(...args).read();
  const { result, times } = step.profile(...args)!;
  expect(await result.read()).toEqual(expected);
  expect((await times).some(({ kernel }) => kernel.startsWith("winograd conv"))).toBe(true);
});

/** The gradient of Σ c · conv(x, w) with respect to w. */
const filterGradient = (x: Value, w: Value, c: Value): Value => grad((filter: Value) => sum(mul(conv2d(x, filter, { padding: 1 }), c)))(w);

test.each([
  [4, 16, 16, 16, 16],
  // Thirty-five rows of tiles are seven chunks of five rows.
  [5, 28, 20, 16, 24],
  [3, 4, 4, 64, 32],
  // Several runs of tiles to a chunk.
  [16, 32, 16, 32, 16],
])("filter gradient: %i images of %i x %i, %i to %i channels", async (images, height, width, inputs, outputs) => {
  const args = [numbers([images, inputs, height, width], 0.1), numbers([outputs, inputs, 3, 3], 0.7), numbers([images, outputs, height, width], 0.4)] as const;
  const nodes = args.map((value) => new Node("input", [], {}, value.shape, "float32")) as [Node, Node, Node];
  const { calls } = compileGraph(nodes, [filterGradient(...nodes) as Node], [false, false, false], CPU);
  expect(calls.map(({ kernel }) => kernel.kind)).toContain("winograd-filter-grad");

  const run = async (device: typeof one): Promise<Float32Array> => (await jit(filterGradient, { device })(...args).read()) as Float32Array;
  const result = await run(one);
  expect(relativeError(result, await run(reference))).toBeLessThan(5e-6);
  expect(await run(two)).toEqual(result);
  expect(await run(wide)).toEqual(result);
});
