/** @file Trees: values nested in plain arrays and objects, as functions' arguments and results. */
import { TraceError } from "./errors.ts";

/** A leaf, or plain arrays and objects of trees. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

function isBranch(tree: unknown): tree is readonly unknown[] | Record<string, unknown> {
  if (Array.isArray(tree)) return true;
  if (typeof tree !== "object" || tree === null) return false;
  const prototype = Object.getPrototypeOf(tree);
  return prototype === Object.prototype || prototype === null;
}

/** An object's keys in order; results of compiled functions have them so already. */
function sortedKeys(object: object): string[] {
  const keys = Object.keys(object);
  return keys.every((key, i) => i === 0 || (keys[i - 1] as string) < key) ? keys : keys.sort();
}

/** The leaves in order: arrays by index, objects by sorted key, so that insertion order never matters. */
export function treeLeaves<Leaf>(tree: Tree<Leaf>): Leaf[] {
  const leaves: Leaf[] = [];
  const visit = (node: unknown): void => {
    if (!isBranch(node)) leaves.push(node as Leaf);
    else if (Array.isArray(node)) node.forEach(visit);
    else for (const key of sortedKeys(node)) visit((node as Record<string, unknown>)[key]);
  };
  visit(tree);
  return leaves;
}

/** Whether two trees have the same structure: leaves in the same places of arrays and objects of the same lengths and keys. */
export function sameStructure(a: unknown, b: unknown): boolean {
  if (!isBranch(a) || !isBranch(b)) return !isBranch(a) && !isBranch(b);
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => sameStructure(item, b[i]));
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => Object.hasOwn(right, key) && sameStructure(left[key], right[key]));
}

/** The same structure with other leaves, given in {@link treeLeaves} order. */
export function treeUnflatten<Leaf, Result>(tree: Tree<Leaf>, leaves: readonly Result[]): Tree<Result> {
  let next = 0;
  const build = (node: unknown): Tree<Result> => {
    if (!isBranch(node)) {
      if (next >= leaves.length) throw new TraceError(`tree: expected more than ${leaves.length} leaves`);
      return leaves[next++] as Result;
    }
    if (Array.isArray(node)) return node.map(build);
    const out: Record<string, Tree<Result>> = {};
    for (const key of sortedKeys(node)) out[key] = build((node as Record<string, unknown>)[key]);
    return out;
  };
  const result = build(tree);
  if (next !== leaves.length) throw new TraceError(`tree: expected ${next} leaves, got ${leaves.length}`);
  return result;
}

/** Applies a function leaf by leaf to trees of the same structure. */
export function treeMap<Leaf, Result>(f: (leaf: Leaf, ...rest: Leaf[]) => Result, tree: Tree<Leaf>, ...rest: Tree<Leaf>[]): Tree<Result> {
  const others = rest.map((other) => {
    if (!sameStructure(other, tree)) {
      throw new TraceError(`treeMap: trees must have the same structure, got ${treeStructure(tree)} and ${treeStructure(other)}`);
    }
    return treeLeaves(other);
  });
  return treeUnflatten(
    tree,
    treeLeaves(tree).map((leaf, i) => f(leaf, ...others.map((leaves) => leaves[i] as Leaf))),
  );
}

/** A tree's structure, to be read in messages; a leaf is `*`. */
export function treeStructure(tree: unknown): string {
  if (!isBranch(tree)) return "*";
  if (Array.isArray(tree)) return `[${tree.map(treeStructure).join(",")}]`;
  const object = tree as Record<string, unknown>;
  return `{${Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${treeStructure(object[key])}`)
    .join(",")}}`;
}
