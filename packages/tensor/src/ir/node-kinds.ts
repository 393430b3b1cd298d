/** @file What nodes are, apart from what they are computed from, as numbers: comparing these is all it takes to find equal parts of a graph. */
import type { Node } from "./graph.ts";
import { structuralKey } from "./structure.ts";

/** Nodes have the same number if operation, attributes, shape and element type are equal. */
export class NodeKinds {
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<Node, number>();
  /** As text; nodes that are made from others often have the same object. */
  readonly #attributes = new Map<object, string>();

  numberOf(node: Node): number {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const { op, attrs, shape, dtype } = node;
    let attributes = this.#attributes.get(attrs);
    if (attributes === undefined) {
      attributes = structuralKey(attrs);
      this.#attributes.set(attrs, attributes);
    }
    const key = `${op} ${dtype}[${shape.join()}]${attributes}`;
    const number = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, number);
    this.#known.set(node, number);
    return number;
  }
}
