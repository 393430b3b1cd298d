/** @file Rebuilding a graph node by node, inputs first. */
import { Node, topologicalOrder } from "./graph.ts";

/** Replaces every node by what `visit` returns for it and its already replaced inputs; leaves stay. */
export function rewrite(roots: readonly Node[], visit: (node: Node, inputs: readonly Node[]) => Node): Node[] {
  const replaced = new Map<Node, Node>();
  for (const node of topologicalOrder(roots)) {
    replaced.set(
      node,
      isLeaf(node)
        ? node
        : visit(
            node,
            node.inputs.map((input) => replaced.get(input)!),
          ),
    );
  }
  return roots.map((root) => replaced.get(root)!);
}

/** Program inputs and tensors in memory. */
export function isLeaf(node: Node): boolean {
  return node.op === "input" || node.op === "constant";
}

/** The same node over other inputs; itself if nothing changed. */
export function withInputs(node: Node, inputs: readonly Node[]): Node {
  return inputs.every((input, i) => input === node.inputs[i]) ? node : new Node(node.op, inputs, node.attrs, node.shape, node.dtype);
}
