/** @file Goldens: the kernels planned for every operation and every shape of contraction, and a hash of their code. A change that is not meant to change
 * kernels leaves them as they are; one that is, refreshes them on purpose with `npm run goldens -- -u`, and its diff is what to review. */
import { type ConvOptions, conv2d, grad, jit, matmul, mul, square, sum, tensor, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import type { Node } from "../../src/ir/graph.ts";
import { apply } from "../../src/ops/definition.ts";
import { operations } from "../../src/ops/index.ts";
import { Recorder } from "../support/recorder.ts";
import { sampleInputs } from "../support/samples.ts";

test.each(operations)("operation $name", async (operation) => {
  const plans = operation.samples.slice(0, 2).flatMap((sample, i) => {
    const recorder = new Recorder(i === 0 ? "code" : "whole");
    jit((...inputs: Node[]) => apply(operation.name, inputs, sample.attrs), { device: recorder })(...sampleInputs(sample));
    return recorder.plans;
  });
  await expect(plans.join("\n")).toMatchFileSnapshot(`operations/${operation.name}.txt`);
});

/** Convolutions by what decides how they are computed: channels and their groups, window, stride, dilation, padding, size. */
const CONVOLUTIONS: Readonly<Record<string, ConvOptions & { x: number[]; w: number[] }>> = {
  "planar-3-to-4": { x: [8, 3, 32, 32], w: [4, 3, 3, 3], padding: 1 },
  "direct-3-to-16": { x: [8, 3, 32, 32], w: [16, 3, 3, 3], padding: 1 },
  "winograd-16": { x: [8, 16, 32, 32], w: [16, 16, 3, 3], padding: 1 },
  "winograd-64": { x: [8, 64, 16, 16], w: [64, 64, 3, 3], padding: 1 },
  "winograd-512": { x: [8, 512, 4, 4], w: [512, 512, 3, 3], padding: 1 },
  "strided-64-to-128": { x: [8, 64, 16, 16], w: [128, 64, 3, 3], stride: 2, padding: 1 },
  "pointwise-strided": { x: [8, 64, 16, 16], w: [128, 64, 1, 1], stride: 2 },
  "odd-channels": { x: [3, 5, 9, 11], w: [7, 5, 3, 3], padding: 1 },
  "five-by-five": { x: [4, 12, 14, 14], w: [12, 12, 5, 5], padding: 2 },
  dilated: { x: [4, 16, 14, 14], w: [16, 16, 3, 3], padding: 2, dilation: 2 },
  "padded-on-one-side": {
    x: [4, 16, 8, 8],
    w: [16, 16, 3, 3],
    padding: [
      [0, 2],
      [2, 0],
    ],
  },
  grouped: { x: [4, 32, 14, 14], w: [64, 8, 3, 3], padding: 1, groups: 4 },
  "grouped-strided": { x: [4, 32, 14, 14], w: [64, 8, 3, 3], padding: 1, groups: 4, stride: 2 },
  depthwise: { x: [4, 32, 14, 14], w: [32, 1, 3, 3], padding: 1, groups: 32 },
  "depthwise-strided": { x: [4, 32, 14, 14], w: [32, 1, 3, 3], padding: 1, groups: 32, stride: 2 },
};

test.each(Object.entries(CONVOLUTIONS))("convolution %s with its gradients", async (name, { x, w, ...options }) => {
  const recorder = new Recorder("whole");
  const convolve = (image: Value, filter: Value): Value => conv2d(image, filter, options);
  const loss = (image: Value, filter: Value): Value => sum(square(convolve(image, filter)));
  const zeros = (shape: number[]): Float32Array => new Float32Array(shape.reduce((a, b) => a * b, 1));
  const program = jit((image: Value, filter: Value) => [convolve(image, filter), grad(loss)(image, filter), grad(loss, 1)(image, filter)], {
    device: recorder,
  });
  program(tensor(zeros(x), x), tensor(zeros(w), w));
  await expect(recorder.plans.join("\n")).toMatchFileSnapshot(`contractions/conv-${name}.txt`);
});

test.each([
  [1, 1000, 4],
  [32, 512, 10],
  [128, 4096, 10],
  [10, 128, 4096],
  [64, 64, 64],
  [7, 5, 3],
])("product [%i, %i] @ [.., %i] with its gradients", async (m, k, n) => {
  const recorder = new Recorder("whole");
  const loss = (a: Value, b: Value): Value => sum(mul(matmul(a, b), matmul(a, b)));
  const program = jit((a: Value, b: Value) => [matmul(a, b), grad(loss)(a, b), grad(loss, 1)(a, b)], { device: recorder });
  program(tensor(new Float32Array(m * k), [m, k]), tensor(new Float32Array(k * n), [k, n]));
  await expect(recorder.plans.join("\n")).toMatchFileSnapshot(`contractions/matmul-${m}-${k}-${n}.txt`);
});
