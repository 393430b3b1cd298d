/** @file The graph: immutable nodes, each an operation on earlier nodes. A tensor in a program is a node; a tensor in memory is
 * a `constant` node with storage. Graphs are data only; what an operation means stands in `ops/`. */
import type { DType } from "../base/dtype.ts";
import { TraceError } from "../base/errors.ts";
import { formatShape, type Shape } from "../base/shape.ts";

/** Constants of an operation: numbers, lists and names, so that equal nodes have equal JSON. */
type Attribute = number | string | boolean | null | readonly Attribute[] | { readonly [key: string]: Attribute };
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

  /** `float32[2, 3] (mul)`: its type, and the operation it comes from. */
  toString(): string {
    return `${this.dtype}${formatShape(this.shape)} (${this.op})`;
  }

  /** The same as `toString`: what a graph holds is not JSON's to write. */
  toJSON(): string {
    return this.toString();
  }

  /** JavaScript's arithmetic and comparisons would silently compute with NaN. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new TraceError(
      `tensor: ${this.toString()} was used as a number; write add(x, 1) for x + 1, mul(x, 2) for x * 2, neg(x) for -x, gt(x, 0) for x > 0, ` +
        "maximum(x, 0) for Math.max(x, 0), where(c, a, b) for c ? a : b; item() reads the element of a tensor in memory",
    );
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
