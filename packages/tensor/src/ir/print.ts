/** @file Graphs as text, for errors, tests and debugging. */
import { formatShape } from "../base/shape.ts";
import { type Node, topologicalOrder } from "./graph.ts";

/** One line per node: `%3 = mul(%1, %2) float32[2, 3] {axis: 1}`; numbering starts at 0 whatever ran before. */
export function printGraph(roots: readonly Node[]): string {
  const names = new Map<Node, string>();
  const lines = topologicalOrder(roots).map((node, i) => {
    names.set(node, `%${i}`);
    const attrs = Object.keys(node.attrs).length > 0 ? ` ${JSON.stringify(node.attrs)}` : "";
    return `%${i} = ${node.op}(${node.inputs.map((input) => names.get(input)).join(", ")}) ${node.dtype}${formatShape(node.shape)}${attrs}`;
  });
  return [...lines, `return ${roots.map((root) => names.get(root)).join(", ")}`].join("\n");
}
