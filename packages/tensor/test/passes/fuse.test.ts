/** @file Which values get a place in memory, and in which order sums walk through it. */
import { add, clamp, max, mul, sub, sum, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import type { LoopKernel } from "../../src/ir/kernel.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";

const image = (...shape: number[]): Node => new Node("input", [], {}, shape, "float32");

/** More instructions than are done twice. */
const long = (x: Value): Value => {
  let value = x;
  for (let i = 0; i < 5; i++) value = add(mul(value, 0.5 + i), x);
  return value;
};
const calls = (input: Node, ...results: Value[]) => compileGraph([input], results as Node[], [false]).calls;

test("what one kernel uses several times, at the same elements, is computed in it", () => {
  const x = image(64, 100);
  const step = clamp(long(x), -1, 1);
  expect(calls(x, add(sub(step, x), 3))).toHaveLength(1);
});

test("what several kernels use is stored", () => {
  const x = image(64, 100);
  const value = long(x);
  expect(calls(x, sum(value, [0]), sum(value, [1]), max(value, [0])).length).toBeGreaterThan(3);
});

test("what a kernel uses at two places is stored", () => {
  const x = image(64, 100);
  const value = long(x);
  const moved = new Node("flip", [value as Node], { axes: [1] }, [64, 100], "float32");
  expect(calls(x, add(mul(value, 3), moved))).toHaveLength(2);
});

test("kernels do not grow without end", () => {
  const x = image(64, 100);
  let value: Value = x;
  for (let i = 0; i < 12; i++) value = clamp(long(value), -1, 1);
  const kernels = calls(x, value);
  expect(kernels.length).toBeGreaterThan(1);
  expect(kernels.length).toBeLessThan(12);
});

test.each([
  ["rows stay together", [128, 3072], [1], [128]],
  ["channels stay innermost", [2048, 128], [0], [128]],
] as const)("a sum in parts goes through memory as it lies: %s", (_, shape, axes, kept) => {
  const x = image(...shape);
  const kernel = calls(x, sum(x, [...axes]))[0]!.kernel as LoopKernel;
  const load = kernel.outputs[0]!.value;
  const strides = load.kind === "load" ? load.at.strides.slice(0, kernel.extents.length - kernel.reduced) : [];
  expect(strides).toHaveLength(kept.length + 1);
  expect(strides).toEqual([...strides].sort((a, b) => b - a));
});
