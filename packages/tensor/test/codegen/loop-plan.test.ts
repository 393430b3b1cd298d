/** @file Plans of loop kernels: what is decided before code is written, as data. */
import { expect, test } from "vitest";
import { planLoop } from "../../src/codegen/plan/loop-plan.ts";
import type { LoopKernel } from "../../src/ir/kernel.ts";
import { type Expr, scalar } from "../../src/ir/scalar.ts";

const load = (...strides: number[]): Expr => ({ kind: "load", dtype: "float32", buffer: 0, at: { offset: 0, strides } });
const kernel = (extents: number[], reduced: number, value: Expr, strides: number[]): LoopKernel => ({
  kind: "loop",
  extents,
  reduced,
  ...(reduced > 0 ? { combine: "sum" } : {}),
  outputs: [{ buffer: 1, dtype: "float32", at: { offset: 0, strides }, value }],
});

test("a map of many elements: pieces of its outer loop, and the loop cut where the guard holds", () => {
  const guard = { offset: -1, strides: [0, 1], extent: 62 };
  const padded: Expr = { kind: "guard", dtype: "float32", guards: [guard], inside: load(62, 1), fill: 0 };
  expect(planLoop(kernel([1000, 64], 0, padded, [64, 1]), false)).toEqual({
    strategy: "map",
    inner: 1,
    lanes: true,
    tasks: 4,
    fixed: [],
    piece: { loop: 0, size: 250, count: 4 },
    sections: [{ outputs: [0], guards: [], from: 1, to: 63 }],
    vectors: 1,
    block: null,
  });
});

test("sums of rows: lanes along the row, long rows in blocks", () => {
  const plan = planLoop(kernel([8, 100_000], 1, load(100_000, 1), [1, 0]), false);
  expect(plan).toMatchObject({ strategy: "rows", inner: 1, lanes: true, tasks: 8, fixed: [0], piece: null, block: { loop: 1, size: 2048 } });
  expect(planLoop(kernel([8, 1000], 1, load(1000, 1), [1, 0]), false).block).toBeNull();
});

test("sums of columns: lanes along the results, as many vectors as registers hold and divide the work", () => {
  const sum = kernel([64, 2000], 1, load(1, 64), [1, 0]);
  expect(planLoop(sum, false)).toMatchObject({ strategy: "columns", inner: 0, lanes: true, vectors: 4, piece: { loop: 0, size: 16 } });
  const two: LoopKernel = { ...sum, outputs: [sum.outputs[0]!, { ...sum.outputs[0]!, buffer: 2, value: scalar("neg", "float32", load(1, 64)) }] };
  expect(planLoop(two, false).vectors).toBe(2);
});
