/** @file Structural keys and the rebuilding of expressions: exact, and no larger than what is shared. */
import { expect, test } from "vitest";
import { rewriteExprs } from "../../src/ir/rewrite.ts";
import { constant, type Expr, scalar } from "../../src/ir/scalar.ts";
import { ExprTable, structuralKey } from "../../src/ir/structure.ts";

const load = (offset: number): Expr => ({ kind: "load", dtype: "float32", buffer: 0, at: { offset, strides: [1] } });

/** x + x, doubled again and again: an expression of 2^depth leaves. */
const doubled = (depth: number): Expr => (depth === 0 ? load(0) : twice(doubled(depth - 1)));
const twice = (x: Expr): Expr => scalar("add", "float32", x, x);

test("numbers, texts and absences that JSON confuses have keys of their own", () => {
  const values = [0, -0, NaN, Infinity, -Infinity, null, "0", "NaN", "null", "", true, "true", [], {}, [[]], [0], ["0"], { a: 1 }, { a: "1" }];
  expect(new Set(values.map((value) => structuralKey(value))).size).toBe(values.length);
  expect(structuralKey({ a: [1, { b: -0 }] })).toBe(structuralKey({ a: [1, { b: -0 }] }));
});

test("what is shared is written once, and shared differently is different", () => {
  const [key, larger] = [structuralKey(doubled(20)), structuralKey(doubled(40))];
  expect(larger.length).toBeLessThan(3 * key.length);
  const [a, b] = [load(0), load(0)];
  expect(structuralKey([a, a])).not.toBe(structuralKey([a, b]));
});

test("a table holds equal expressions once", () => {
  const table = new ExprTable();
  const sum = (x: Expr, y: Expr): Expr => table.intern(scalar("add", "float32", table.intern(x), table.intern(y)));
  const first = sum(load(0), constant("float32", 0));
  expect(sum(load(0), constant("float32", 0))).toBe(first);
  expect(sum(load(0), constant("float32", -0))).not.toBe(first);
  expect(sum(load(1), constant("float32", 0))).not.toBe(first);
  expect(table.intern(first)).toBe(first);
});

test("rebuilding visits each expression once, operands first, and keeps what it is told to", () => {
  const shared = load(0);
  const root = scalar("mul", "float32", twice(shared), { kind: "guard", dtype: "float32", guards: [], inside: shared, fill: 0 });
  const visited: string[] = [];
  const moved = rewriteExprs((expr) => {
    visited.push(expr.kind);
    return expr.kind === "load" ? { ...expr, buffer: 1 } : expr;
  })(root) as Expr & { kind: "op" };
  expect(visited).toEqual(["load", "op", "guard", "op"]);
  const [sum, guard] = moved.args as [Expr & { kind: "op" }, Expr & { kind: "guard" }];
  expect(sum.args[0]).toEqual({ ...shared, buffer: 1 });
  expect(sum.args[1]).toBe(sum.args[0]);
  expect(guard.inside).toBe(sum.args[0]);
  const gather: Expr = { kind: "gather", dtype: "float32", buffer: 2, at: { offset: 0, strides: [0] }, terms: [{ index: shared, stride: 3, extent: 4 }] };
  const kept = rewriteExprs(
    (expr) => expr,
    (expr) => expr === shared,
  )(gather) as Expr & { kind: "gather" };
  expect(kept.terms[0]!.index).toBe(shared);
});
