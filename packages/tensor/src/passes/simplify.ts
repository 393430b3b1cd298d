/** @file Simplification and common subexpressions in one walk: each node is first reduced by local rules, then looked up among
 * the nodes already built. What no result depends on disappears by not being visited. */
import { sizeOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import { NodeKinds } from "../ir/node-kinds.ts";
import { isLeaf, rewrite, withInputs } from "../ir/rewrite.ts";
import { broadcast, full, reshape, transpose } from "../ops/build.ts";
import { operation } from "../ops/definition.ts";
import { inversePermutation } from "../ops/transpose.ts";

export function simplify(roots: readonly Node[], kinds: NodeKinds = new NodeKinds()): Node[] {
  const known = new Map<string, Node>();
  const interned = new Set<Node>();
  /** The one node equal to this one. A rule may build helper nodes: they are interned too, so that equal ones meet. */
  const intern = (node: Node): Node => {
    if (interned.has(node) || isLeaf(node)) return node;
    const unique = withInputs(node, node.inputs.map(intern));
    let key = String(kinds.numberOf(unique));
    for (const input of unique.inputs) key += ` ${input.id}`;
    const found = known.get(key) ?? unique;
    known.set(key, found);
    interned.add(found);
    return found;
  };
  return rewrite(roots, (node, inputs) => intern(reduceNode(withInputs(node, inputs))));
}

function constantValue(node: Node): number | null {
  return node.op === "full" ? (node.attrs["value"] as number) : null;
}

const hasElements = (node: Node): boolean => sizeOf(node.shape) > 0;

/** A value that depends on no element: an empty one, or one made of an empty one (a sum over nothing, a product over an empty axis, an
 * empty image with padding around it). After this no other operation has an operand or a result without elements. */
function valueOfNothing(node: Node): Node | null {
  if (hasElements(node) && node.inputs.every(hasElements)) return null;
  return full(node.shape, node.op === "pad" && hasElements(node) ? (node.attrs["value"] as number) : 0, node.dtype);
}

/** Applies the first rule that fits. Only identities that hold for every float are used, but for the sign of a zero sum. */
function reduceNode(node: Node): Node {
  const nothing = valueOfNothing(node);
  if (nothing) return nothing;
  const [a, b] = node.inputs;
  switch (node.op) {
    case "alias":
    case "stop-gradient":
      return a!;
    case "add":
      if (constantValue(a!) === 0) return b!;
      if (constantValue(b!) === 0) return a!;
      break;
    case "sub":
      if (constantValue(b!) === 0) return a!;
      break;
    case "mul":
      if (constantValue(a!) === 1) return b!;
      if (constantValue(b!) === 1) return a!;
      break;
    case "div":
      if (constantValue(b!) === 1) return a!;
      break;
    case "neg":
      if (a!.op === "neg") return a!.inputs[0]!;
      break;
    case "select": {
      const condition = constantValue(a!);
      if (condition !== null) return condition !== 0 ? b! : node.inputs[2]!;
      if (b === node.inputs[2]) return b!;
      if (isOwnClamp(node)) return node.inputs[2]!;
      break;
    }
    case "reshape":
      if (a!.op === "reshape") return reshape(a!.inputs[0]!, node.shape);
      if (a!.op === "full") return full(node.shape, constantValue(a!)!, node.dtype);
      break;
    case "broadcast":
      if (a!.op === "full") return full(node.shape, constantValue(a!)!, node.dtype);
      if (a!.op === "broadcast") {
        const outer = node.attrs["axes"] as readonly number[];
        return broadcast(
          a!.inputs[0]!,
          node.shape,
          (a!.attrs["axes"] as readonly number[]).map((axis) => outer[axis]!),
        );
      }
      break;
    case "transpose": {
      const permutation = node.attrs["permutation"] as readonly number[];
      if (a!.op === "full") return full(node.shape, constantValue(a!)!, node.dtype);
      if (a!.op === "transpose") {
        const inner = a!.attrs["permutation"] as readonly number[];
        return transpose(
          a!.inputs[0]!,
          permutation.map((axis) => inner[axis]!),
        );
      }
      if (a!.op === "broadcast") return transposeBroadcast(a!, permutation);
      break;
    }
    case "slice":
      if (a!.op === "full") return full(node.shape, constantValue(a!)!, node.dtype);
      break;
    case "convert":
      if (a!.op === "full" && node.dtype === "float32") return full(node.shape, constantValue(a!)!, node.dtype);
      break;
  }
  return foldConstants(node);
}

/** select(low < z and z < high, z, clamp(z, low, high)): how a clamp is written whose derivative differs from its branches'. What it is does
 * not depend on the condition, which then need not be kept for the derivative. */
function isOwnClamp({ inputs: [inside, z, clamped] }: Node): boolean {
  const isLess = (node: Node | undefined, a: Node | undefined, b: Node | undefined): boolean =>
    node?.op === "lt" && node.inputs[0] === a && node.inputs[1] === b;
  if (inside?.op !== "and" || clamped?.op !== "select") return false;
  const [below, low, rest] = clamped.inputs;
  if (rest?.op !== "select") return false;
  const [above, high, value] = rest.inputs;
  return value === z && isLess(below, z, low) && isLess(above, high, z) && isLess(inside.inputs[0], low, z) && isLess(inside.inputs[1], z, high);
}

/** transpose(broadcast(x)) = broadcast(transpose(x)): the small operand moves, not the large result. */
function transposeBroadcast(node: Node, permutation: readonly number[]): Node {
  const inverse = inversePermutation(permutation);
  const axes = (node.attrs["axes"] as readonly number[]).map((axis) => inverse[axis]!);
  const order = axes.map((_, i) => i).sort((i, j) => axes[i]! - axes[j]!);
  return broadcast(
    transpose(node.inputs[0]!, order),
    permutation.map((axis) => node.shape[axis]!),
    order.map((i) => axes[i]!),
  );
}

/** Element-wise float operations on equal constants everywhere are computed now, rounded as the program would. */
function foldConstants(node: Node): Node {
  if (node.inputs.length === 0 || node.dtype !== "float32" || operation(node.op).lower.kind !== "elementwise") return node;
  const values = node.inputs.map(constantValue);
  if (values.some((value) => value === null) || node.inputs.some((input) => input.dtype !== "float32")) return node;
  const scalarNode = { ...node, shape: [], inputs: node.inputs } as unknown as Node;
  const [value] = Array.from(
    operation(node.op).reference(
      values.map((value) => Float64Array.of(Math.fround(value!))),
      scalarNode,
    ),
  );
  return full(node.shape, Math.fround(value!), node.dtype);
}
