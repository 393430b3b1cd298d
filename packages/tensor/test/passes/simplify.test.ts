/** @file Simplification: each rule on a small graph, shared subexpressions, and what no result depends on. */
import {
  abs,
  add,
  and,
  broadcastTo,
  clamp,
  convert,
  cos,
  div,
  exp,
  full,
  gt,
  lt,
  mul,
  neg,
  ones,
  or,
  printGraph,
  reshape,
  slice,
  sqrt,
  stopGradient,
  sub,
  sum,
  transpose,
  type Value,
  where,
  zeros,
} from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { Node, topologicalOrder } from "../../src/ir/graph.ts";
import * as build from "../../src/ops/build.ts";
import { simplify } from "../../src/passes/simplify.ts";

const input = (shape: readonly number[], dtype: "float32" | "int32" | "bool" = "float32"): Node => new Node("input", [], {}, shape, dtype);
const x = input([2, 3]);
const y = input([2, 3]);
const simplified = (...roots: Value[]): string => printGraph(simplify(roots));
/** The graph is the input itself. */
const becomes = (value: Value, expected: Node): void => expect(simplify([value])[0]).toBe(expected);

describe("identities", () => {
  test("of arithmetic", () => {
    becomes(add(x, 0), x);
    becomes(add(0, x), x);
    becomes(sub(x, 0), x);
    becomes(mul(x, 1), x);
    becomes(mul(1, x), x);
    becomes(div(x, 1), x);
    becomes(neg(neg(x)), x);
    becomes(stopGradient(build.alias(x)), x);
    becomes(add(mul(add(x, zeros([2, 3])), ones([3])), 0), x);
  });

  test("that floats do not obey are left alone", () => {
    // 0 · NaN is NaN, x − x may be NaN, 0 / 0 is NaN.
    for (const value of [mul(x, 0), sub(x, x), div(x, x), div(0, x), sub(0, x)]) expect(simplify([value])[0]!.op).toBe(value.op);
  });

  test("of selection", () => {
    becomes(where(full([2, 3], 1, "bool"), x, y), x);
    becomes(where(full([2, 3], 0, "bool"), x, y), y);
    becomes(where(input([2, 3], "bool"), x, x), x);
  });

  test("of a clamp with a derivative of its own", () => {
    const inside = and(gt(x, 0), lt(x, 1));
    const operations = (value: Value): string[] =>
      topologicalOrder(simplify([value]))
        .map((node) => node.op)
        .sort();
    expect(operations(where(inside, x, stopGradient(clamp(x, 0, 1))))).toEqual(operations(clamp(x, 0, 1)));
    const others = [where(inside, x, clamp(x, 0, 2)), where(inside, x, clamp(x, -1, 1)), where(inside, x, clamp(y, 0, 1)), where(inside, y, clamp(x, 0, 1))];
    for (const value of [...others, where(or(gt(x, 0), lt(x, 1)), x, clamp(x, 0, 1))]) {
      expect(simplified(value)).toMatch(/= (and|or)\(/);
    }
  });

  test("of movement", () => {
    becomes(reshape(reshape(x, [6]), [2, 3]), x);
    becomes(transpose(transpose(x)), x);
    becomes(slice(x, [0, 0]), x);
    expect(simplified(reshape(reshape(x, [6]), [3, 2]))).toMatchInlineSnapshot(`
      "%0 = input() float32[2, 3]
      %1 = reshape(%0) float32[3, 2] {"shape":[3,2]}
      return %1"
    `);
    expect(simplified(broadcastTo(broadcastTo(input([3]), [2, 3]), [4, 2, 3]))).toMatchInlineSnapshot(`
      "%0 = input() float32[3]
      %1 = broadcast(%0) float32[4, 2, 3] {"shape":[4,2,3],"axes":[2]}
      return %1"
    `);
    // The small operand is transposed, not the large result.
    expect(simplified(transpose(broadcastTo(input([2, 1]), [2, 3])))).toMatchInlineSnapshot(`
      "%0 = input() float32[2, 1]
      %1 = transpose(%0) float32[1, 2] {"permutation":[1,0]}
      %2 = broadcast(%1) float32[3, 2] {"shape":[3,2],"axes":[0,1]}
      return %2"
    `);
    expect(simplified(transpose(build.broadcast(input([2, 3]), [2, 4, 3], [0, 2]), [2, 1, 0]))).toMatchInlineSnapshot(`
      "%0 = input() float32[2, 3]
      %1 = transpose(%0) float32[3, 2] {"permutation":[1,0]}
      %2 = broadcast(%1) float32[3, 4, 2] {"shape":[3,4,2],"axes":[0,2]}
      return %2"
    `);
  });
});

test("constants are computed, rounded to float32", () => {
  expect(simplified(exp(add(full([2], 1), 0.5)))).toMatchInlineSnapshot(`
    "%0 = full() float32[2] {"shape":[2],"value":4.481688976287842,"dtype":"float32"}
    return %0"
  `);
  expect(simplified(sqrt(mul(full([], 2), 2)))).toMatchInlineSnapshot(`
    "%0 = full() float32[] {"shape":[],"value":2,"dtype":"float32"}
    return %0"
  `);
  expect(simplified(reshape(transpose(full([2, 3], 7)), [6]))).toMatchInlineSnapshot(`
    "%0 = full() float32[6] {"shape":[6],"value":7,"dtype":"float32"}
    return %0"
  `);
  expect(simplified(convert(full([2], 3, "int32"), "float32"))).toMatchInlineSnapshot(`
    "%0 = full() float32[2] {"shape":[2],"value":3,"dtype":"float32"}
    return %0"
  `);
  expect((simplify([mul(full([], 0.1), full([], 3))])[0]!.attrs as { value: number }).value).toBe(Math.fround(Math.fround(0.1) * 3));
});

describe("common subexpressions", () => {
  test("equal nodes become one, through several levels", () => {
    expect(simplified(add(mul(cos(x), 2), mul(cos(x), 2)), cos(x))).toMatchInlineSnapshot(`
      "%0 = input() float32[2, 3]
      %1 = cos(%0) float32[2, 3]
      %2 = full() float32[2, 3] {"shape":[2,3],"value":2,"dtype":"float32"}
      %3 = mul(%1, %2) float32[2, 3]
      %4 = add(%3, %3) float32[2, 3]
      return %4, %1"
    `);
  });

  test("nodes that differ in attributes, types or order of operands stay apart", () => {
    const apart = (a: Value, b: Value): void => expect(new Set(simplify([a, b])).size).toBe(2);
    apart(sum(x, [0]), sum(x, [1]));
    apart(sub(x, y), sub(y, x));
    apart(full([2], 1), full([2], 1, "int32"));
    apart(full([2], 1), full([1, 2], 1));
    apart(convert(x, "int32"), convert(x, "bool"));
    apart(input([2]), input([2]));
  });

  test("constants that JSON cannot write stay apart", () => {
    const values = [Infinity, -Infinity, NaN, 0, -0];
    expect(new Set(simplify(values.map((value) => full([2], value)))).size).toBe(values.length);
    expect(new Set(simplify(values.map((value) => build.pad(x, [1, 0], [0, 0], [0, 0], value)))).size).toBe(values.length);
  });
});

test("what no result depends on disappears, and nothing else", () => {
  const dead = exp(mul(x, y));
  const kept = add(x, y);
  expect(topologicalOrder(simplify([where(full([2, 3], 0, "bool"), dead, kept)])).map(({ op }) => op)).toEqual(["input", "input", "add"]);
});

test("simplifying twice changes nothing more", () => {
  const value = sum(mul(abs(add(transpose(reshape(x, [3, 2])), 0)), sub(y, neg(neg(x)))), [1]);
  expect(simplified(...simplify([value]))).toBe(simplified(value));
});
