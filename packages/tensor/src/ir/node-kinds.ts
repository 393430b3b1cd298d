/** @file What nodes are, apart from what they are computed from, as numbers: comparing these is all it takes to find equal parts of a graph. */
import type { Node } from "./graph.ts";
import { structuralKey } from "./structure.ts";

/** Nodes have the same number if operation, attributes, shape and element type are equal. */
export class NodeKinds {
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<Node, number>();
  /** Attributes and shapes as text; nodes that are made from others often have the same object. */
  readonly #texts = new Map<object, string>();

  numberOf(node: Node): number {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const { op, attrs, shape, dtype } = node;
    const key = `${op} ${dtype} ${this.#textOf(shape)}${this.#textOf(attrs)}`;
    const number = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, number);
    this.#known.set(node, number);
    return number;
  }

  #textOf(part: object): string {
    let text = this.#texts.get(part);
    if (text === undefined) {
      text = structuralKey(part);
      this.#texts.set(part, text);
    }
    return text;
  }
}
