/** @file Trees: leaves, and the paths by which they are stored. */
import { treeLeaves, treePaths, zeros } from "@gradalign/tensor";
import { expect, test } from "vitest";

test("paths name the leaves in their order, whatever the order of insertion", () => {
  const tree = { b: [10, 20, { z: 30, a: 40 }], a: zeros([2]), "conv1.weight": 50, many: Array.from({ length: 11 }, (_, i) => i) };
  const byPath = new Map(treePaths(tree).map((path, i) => [path, treeLeaves<unknown>(tree)[i]]));
  expect(byPath.get("b/1")).toBe(20);
  expect(byPath.get("b/2/a")).toBe(40);
  expect(byPath.get("a")).toBe(tree.a);
  expect(byPath.get("conv1.weight")).toBe(50);
  expect(byPath.get("many/2")).toBe(2);
  expect(byPath.get("many/10")).toBe(10);
  expect(byPath.size).toBe(treeLeaves<unknown>(tree).length);
});

test("a leaf alone has the empty path", () => {
  expect(treePaths(zeros([1]))).toEqual([""]);
});
