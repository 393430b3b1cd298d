/** @file A value of the graph with the order of its axes in memory, and how it gets into another order. */
import { Node } from "../ir/graph.ts";
import { isLeaf } from "../ir/rewrite.ts";
import { transpose } from "../ops/build.ts";

/** Logical axis i is axis permutation[i] of `node`. */
export interface Placed {
  readonly node: Node;
  readonly permutation: Numbers;
  /** Set where the value may as well be computed again in another order: an element-wise operation with few users. */
  readonly again?: { readonly operation: Node; readonly operands: readonly Placed[]; readonly origin: Origin };
}

/** The stored values that a value would be computed from again. */
export interface Origin {
  /** Two of them stand for more. */
  readonly nodes: readonly Node[];
  /** Whether all are arguments or tensors in memory. */
  readonly leaves: boolean;
}

export type Numbers = readonly number[];

/** Orders of an image's axes [batch, channel, row, column]. */
export const NHWC: Numbers = [0, 3, 1, 2];
export const NCHW: Numbers = [0, 1, 2, 3];

export const identity = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);
/** A value in the user's order. */
export const plain = (node: Node): Placed => ({ node, permutation: identity(node.shape.length) });
export const same = (a: Numbers, b: Numbers): boolean => a.every((n, i) => n === b[i]);

/** Puts a per-axis list from logical into physical order. */
export function permute(values: Numbers, permutation: Numbers): number[] {
  const out = new Array<number>(values.length);
  permutation.forEach((axis, i) => {
    out[axis] = values[i]!;
  });
  return out;
}

/** The value with its axes in the wanted order. What was computed element by element from one other value (a mask, a clamp) is not
 * moved itself: it is computed from that value's rearranged copy, which other users share. */
export function arrange(placed: Placed, wanted: Numbers): Node {
  if (same(placed.permutation, wanted)) return placed.node;
  const arranged = new Map<Placed, Node>();
  const pending = [placed];
  for (let current = pending.at(-1); current; current = pending.at(-1)) {
    const { node, permutation, again } = current;
    if (same(permutation, wanted)) arranged.set(current, node);
    else if (again?.origin.nodes.length === 1) {
      const missing = again.operands.filter((operand) => !arranged.has(operand));
      if (missing.length > 0) {
        pending.push(...missing.reverse());
        continue;
      }
      const operands = again.operands.map((operand) => arranged.get(operand)!);
      arranged.set(current, rebuild(again.operation, operands, permute(again.operation.shape, wanted)));
    } else arranged.set(current, transpose(node, permute(permutation, wanted)));
    pending.pop();
  }
  return arranged.get(placed)!;
}

/** The same operation over inputs in another order. */
export function rebuild(node: Node, inputs: readonly Node[], shape: Numbers): Node {
  return new Node(node.op, inputs, node.attrs, shape, node.dtype);
}

/** What a value would be computed from again. */
export function originOf({ node, again }: Placed): Origin {
  return again?.origin ?? { nodes: isFlexible(node) ? [] : [node], leaves: isFlexible(node) || isLeaf(node) };
}

/** The origin of what is computed from these. */
export function commonOrigin(operands: readonly Placed[]): Origin {
  const origins = operands.map(originOf);
  return { nodes: [...new Set(origins.flatMap(({ nodes }) => nodes))].slice(0, 2), leaves: origins.every(({ leaves }) => leaves) };
}

/** Constants and repeated values follow any order for free. */
export function isFlexible(node: Node): boolean {
  return node.op === "full" || node.op === "broadcast";
}
