/** @file Rebuilding graphs and expressions part by part, operands first; what was shared stays shared. */
import { Node, topologicalOrder } from "./graph.ts";
import type { Expr } from "./scalar.ts";

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

/** Replaces every expression by what `visit` returns for it over its already replaced operands; those to `keep` stay, with all below them.
 * What the result is called on one after another shares its parts too. */
export function rewriteExprs(visit: (expr: Expr) => Expr, keep: (expr: Expr) => boolean = () => false): (root: Expr) => Expr {
  const replaced = new Map<Expr, Expr>();
  const rebuilt = (expr: Expr): Expr => {
    if (keep(expr)) return expr;
    let result = replaced.get(expr);
    if (!result) {
      result = visit(overOperands(expr, rebuilt));
      replaced.set(expr, result);
    }
    return result;
  };
  return rebuilt;
}

/** The same expression over other operands. */
function overOperands(expr: Expr, operand: (expr: Expr) => Expr): Expr {
  switch (expr.kind) {
    case "op":
      return { ...expr, args: expr.args.map(operand) };
    case "guard":
      return { ...expr, inside: operand(expr.inside) };
    case "gather":
      return { ...expr, terms: expr.terms.map((term) => ({ ...term, index: operand(term.index) })) };
    default:
      return expr;
  }
}
