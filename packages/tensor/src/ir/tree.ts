/** @file Trees: values nested in plain arrays and objects, as functions' arguments and results. Anything else is a leaf. */
import { TraceError } from "../base/errors.ts";
import type { Node } from "./graph.ts";

/** What types call a leaf. Instances of other classes are leaves too, but a type does not tell them from plain objects. */
type Opaque = Node | ArrayBufferView | string | number | boolean | bigint | symbol | null | undefined;

/** `T` if all its leaves are of type `Leaf`: a parameter `tree: T & TreeOf<T, Leaf>` takes interfaces too, which have no index signature. */
export type TreeOf<T, Leaf> = T extends Leaf ? T : T extends Opaque ? Leaf : { readonly [K in keyof T]: TreeOf<T[K], Leaf> };

/** The tree with other leaves. */
export type MapLeaves<T, Result> = unknown extends T ? unknown : T extends Opaque ? Result : { [K in keyof T]: MapLeaves<T[K], Result> };

/** The type of a tree's leaves. */
export type LeafOf<T> = unknown extends T
  ? unknown
  : T extends Opaque
    ? T
    : T extends readonly (infer Item)[]
      ? LeafOf<Item>
      : { [K in keyof T]: LeafOf<T[K]> }[keyof T];

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
export function treeLeaves<T>(tree: T): LeafOf<T>[] {
  const leaves: LeafOf<T>[] = [];
  const visit = (node: unknown): void => {
    if (!isBranch(node)) leaves.push(node as LeafOf<T>);
    else if (Array.isArray(node)) node.forEach(visit);
    else for (const key of sortedKeys(node)) visit((node as Record<string, unknown>)[key]);
  };
  visit(tree);
  return leaves;
}

/** The leaves' paths from the root, in the order of {@link treeLeaves}: keys and positions, e.g. `params/conv1.weight`. */
export function treePaths(tree: unknown): string[] {
  if (!isBranch(tree)) return [""];
  const branches = tree as Readonly<Record<string, unknown>>;
  const keys = Array.isArray(tree) ? Object.keys(tree) : sortedKeys(tree);
  return keys.flatMap((key) => treePaths(branches[key]).map((path) => (path === "" ? key : `${key}/${path}`)));
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
export function treeUnflatten<T, Result>(tree: T, leaves: readonly Result[]): MapLeaves<T, Result> {
  let next = 0;
  const build = (node: unknown): unknown => {
    if (!isBranch(node)) {
      if (next >= leaves.length) throw new TraceError(`tree: expected more than ${leaves.length} leaves`);
      return leaves[next++];
    }
    if (Array.isArray(node)) return node.map(build);
    const out: Record<string, unknown> = {};
    for (const key of sortedKeys(node)) out[key] = build((node as Record<string, unknown>)[key]);
    return out;
  };
  const result = build(tree);
  if (next !== leaves.length) throw new TraceError(`tree: expected ${next} leaves, got ${leaves.length}`);
  return result as MapLeaves<T, Result>;
}

/** Applies a function leaf by leaf to trees of the same structure. */
export function treeMap<T, Result>(f: (leaf: LeafOf<T>, ...rest: LeafOf<T>[]) => Result, tree: T, ...rest: NoInfer<T>[]): MapLeaves<T, Result> {
  const others = rest.map((other) => {
    if (!sameStructure(other, tree)) {
      throw new TraceError(`treeMap: trees must have the same structure, got ${treeStructure(tree)} and ${treeStructure(other)}`);
    }
    return treeLeaves<T>(other);
  });
  return treeUnflatten(
    tree,
    treeLeaves(tree).map((leaf, i) => f(leaf, ...others.map((leaves) => leaves[i] as LeafOf<T>))),
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
