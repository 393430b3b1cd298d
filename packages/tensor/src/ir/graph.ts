/** @file The graph: immutable nodes, each an operation on earlier nodes. A tensor in a program is a node; a tensor in memory is
 * a `constant` node with storage. Graphs are data only; what an operation means stands in `ops/`. */
import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";

/** Constants of an operation: numbers, lists and names, so that equal nodes have equal JSON. */
export type Attribute = number | string | boolean | null | readonly Attribute[] | { readonly [key: string]: Attribute };
export type Attributes = { readonly [key: string]: Attribute };

let nextId = 0;

/** One value of a program. Nodes are made by operations and never change. */
export class Node {
  /** Creation order: a node is younger than its inputs. */
  readonly id: number = nextId++;
  readonly op: string;
  readonly inputs: readonly Node[];
  readonly attrs: Attributes;
  readonly shape: Shape;
  readonly dtype: DType;

  constructor(op: string, inputs: readonly Node[], attrs: Attributes, shape: Shape, dtype: DType) {
    this.op = op;
    this.inputs = inputs;
    this.attrs = attrs;
    this.shape = shape;
    this.dtype = dtype;
  }
}

/** All nodes the roots depend on, inputs before users, in creation order. */
export function topologicalOrder(roots: readonly Node[]): Node[] {
  const seen = new Set<Node>();
  const stack = [...roots];
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) if (!seen.has(input)) stack.push(input);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
