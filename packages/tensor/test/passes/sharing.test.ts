/** @file Deeply shared graphs: the number of paths doubles at every level, the work must not. */
import { add, createDevice, grad, jit, mul, sum, type Value } from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";
import { Node, topologicalOrder } from "../../src/ir/graph.ts";
import { type Expr, forEachExpr } from "../../src/ir/scalar.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { simplify } from "../../src/passes/simplify.ts";

const LEVELS = 60;
const device = await createDevice({ backend: "wasm", threads: 1 });
afterAll(() => device.close());

/** 60 levels of y = x + c·x: 2^60 paths from the result to x. */
function diamonds(x: Value): Value {
  let value = x;
  for (let level = 0; level < LEVELS; level++) value = add(value, mul(value, level % 2 === 0 ? -0.5 : 1));
  return value;
}

test("compiling takes work in proportion to the nodes", () => {
  const x = new Node("input", [], {}, [33], "float32");
  const root = diamonds(x);
  const nodes = topologicalOrder([root]).length;
  expect(nodes).toBeLessThan(6 * LEVELS);
  expect(topologicalOrder(simplify([root])).length).toBeLessThanOrEqual(nodes);
  const { calls } = compileGraph([x], [root], [false]);
  expect(calls.length).toBeLessThan(LEVELS);
  const expressions: Expr[] = [];
  for (const { kernel } of calls) {
    if (kernel.kind === "loop")
      forEachExpr(
        kernel.outputs.map((output) => output.value),
        (expr) => expressions.push(expr),
      );
  }
  expect(expressions.length).toBeLessThan(6 * LEVELS);
});

test("values and gradients of the shared graph are right, and its code is small", () => {
  const f = jit((x: Value) => [diamonds(x), grad((y: Value) => sum(diamonds(y)))(x)], { device });
  const [value, gradient] = f(new Float32Array(33).fill(3));
  // (1 − ½)·(1 + 1) = 1 per pair of levels.
  expect([...value!.data()]).toEqual(new Array(33).fill(3));
  expect([...gradient!.data()]).toEqual(new Array(33).fill(1));
  expect(f.stats()!.codeBytes).toBeLessThan(60_000);
  expect(f.stats()!.kernels).toBeLessThan(2 * LEVELS);
});
