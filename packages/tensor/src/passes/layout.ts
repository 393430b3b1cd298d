/** @file Layout: one walk that decides the order of every value's axes in memory. Images arrive as [N, C, H, W]; contractions
 * want channels last. Each value is represented by a node plus a permutation, and permutations ride along through element-wise
 * operations, reductions and movement until something needs a particular order. Contractions are left to the ways of computing
 * them, in `contractions/`. */
import { Node, topologicalOrder } from "../ir/graph.ts";
import { isLeaf } from "../ir/rewrite.ts";
import { CPU, type Target } from "../ir/target.ts";
import { broadcast, flip, pad, reshape, slice } from "../ops/build.ts";
import { operation } from "../ops/definition.ts";
import { keptAxes } from "../ops/reduce.ts";
import { isContraction, placeContraction } from "./contractions/index.ts";
import { arrange, commonOrigin, identity, isFlexible, type Numbers, originOf, type Placed, permute, plain, rebuild, same } from "./placed.ts";

/** A value with more users than this is worth a rearranged copy; one with fewer is computed from its operand's copy. */
const FEW_USERS = 2;

export function assignLayout(roots: readonly Node[], target: Target = CPU): Node[] {
  const placed = new Map<Node, Placed>();
  const order = topologicalOrder(roots);
  const users = new Map<Node, number>();
  for (const node of order) for (const input of new Set(node.inputs)) users.set(input, (users.get(input) ?? 0) + 1);
  for (const node of order) {
    const operands = node.inputs.map((input) => placed.get(input)!);
    const result = isLeaf(node) ? plain(node) : place(node, operands, target);
    const inOrder = operands.every((operand) => isFlexible(operand.node) || same(operand.permutation, result.permutation));
    const again = operation(node.op).lower.kind === "elementwise" && (users.get(node) ?? 0) <= FEW_USERS && inOrder;
    placed.set(node, again ? { ...result, again: { operation: node, operands, origin: commonOrigin(operands) } } : result);
  }
  return roots.map((root) => arrange(placed.get(root)!, identity(root.shape.length)));
}

function place(node: Node, inputs: readonly Placed[], target: Target): Placed {
  const x = inputs[0]!;
  const attrs = node.attrs as { readonly [key: string]: Numbers };
  switch (node.op) {
    case "transpose":
      return { node: x.node, permutation: attrs["permutation"]!.map((axis) => x.permutation[axis]!) };
    case "slice":
      return {
        node: slice(x.node, permute(attrs["starts"]!, x.permutation), permute(attrs["ends"]!, x.permutation), permute(attrs["steps"]!, x.permutation)),
        permutation: x.permutation,
      };
    case "flip":
      return {
        node: flip(
          x.node,
          attrs["axes"]!.map((axis) => x.permutation[axis]!),
        ),
        permutation: x.permutation,
      };
    case "pad": {
      const [low, high, interior] = ["low", "high", "interior"].map((name) => permute(attrs[name]!, x.permutation)) as [number[], number[], number[]];
      return { node: padSpread(x.node, low, high, interior, node.attrs["value"] as number), permutation: x.permutation };
    }
    case "broadcast":
      return plain(broadcast(arrange(x, identity(x.permutation.length)), node.shape, attrs["axes"]!));
    case "reshape":
      return placeReshape(node, x);
  }
  if (isContraction(node)) return placeContraction(node, inputs, target);
  const { lower } = operation(node.op);
  if (lower.kind === "elementwise") return placeElementwise(node, inputs);
  if (lower.kind === "reduce") return placeReduce(node, x);
  return plain(
    rebuild(
      node,
      inputs.map((input) => arrange(input, identity(input.permutation.length))),
      node.shape,
    ),
  );
}

/** Whether a value comes element by element from arguments, in the user's order: a parameter or its momentum, scaled perhaps. */
function isArgument(placed: Placed): boolean {
  const { nodes, leaves } = originOf(placed);
  return nodes.length > 0 && leaves && same(placed.permutation, identity(placed.permutation.length));
}

/** Takes the order that most operands already have; constants and repeated values follow for free. A tie goes to the order a
 * contraction chose, but to the user's where that is an argument's: what an optimiser makes of it goes back in that order. */
function placeElementwise(node: Node, inputs: readonly Placed[]): Placed {
  const votes = new Map<string, { permutation: Numbers; count: number }>();
  for (const { node: operand, permutation } of inputs) {
    if (isFlexible(operand)) continue;
    const key = permutation.join();
    const vote = votes.get(key) ?? { permutation, count: 0 };
    votes.set(key, { permutation, count: vote.count + 1 });
  }
  const straight = identity(node.shape.length);
  let best = { permutation: straight as Numbers, count: 0 };
  for (const vote of votes.values()) {
    if (vote.count > best.count || (vote.count === best.count && same(best.permutation, straight) && !inputs.some(isArgument))) best = vote;
  }
  const { permutation } = best;
  return {
    node: rebuild(
      node,
      inputs.map((input) => arrange(input, permutation)),
      permute(node.shape, permutation),
    ),
    permutation,
  };
}

function placeReduce(node: Node, { node: x, permutation }: Placed): Placed {
  const logicalAxes = node.attrs["axes"] as Numbers;
  const axes = logicalAxes.map((axis) => permutation[axis]!).sort((a, b) => a - b);
  const kept = keptAxes(x.shape.length, axes);
  const result = new Node(
    node.op,
    [x],
    { axes },
    kept.map((axis) => x.shape[axis]!),
    node.dtype,
  );
  return { node: result, permutation: keptAxes(x.shape.length, logicalAxes).map((axis) => kept.indexOf(permutation[axis]!)) };
}

/** A reshape that only adds or drops axes of extent 1 keeps the order; any other needs the elements in logical order. */
function placeReshape(node: Node, { node: x, permutation }: Placed): Placed {
  const before = node.inputs[0]!.shape;
  const long = (shape: Numbers): number[] => shape.flatMap((extent, axis) => (extent === 1 ? [] : [axis]));
  const from = long(before);
  const to = long(node.shape);
  if (from.length !== to.length || from.some((axis, i) => before[axis] !== node.shape[to[i]!])) {
    return plain(reshape(arrange({ node: x, permutation }, identity(before.length)), node.shape));
  }
  const order = from.map((_, i) => i).sort((i, j) => permutation[from[i]!]! - permutation[from[j]!]!);
  const result = new Array<number>(node.shape.length).fill(-1);
  order.forEach((i, position) => {
    result[to[i]!] = position;
  });
  let next = order.length;
  result.forEach((position, axis) => {
    if (position < 0) result[axis] = next++;
  });
  return { node: reshape(x, permute(node.shape, result)), permutation: result };
}

/** Interior padding by a detour: an axis [n] becomes [n, 1], is padded to [n, k+1], and read as [n·(k+1)]. */
function padSpread(x: Node, low: Numbers, high: Numbers, interior: Numbers, value: number): Node {
  let spread = x;
  interior.forEach((gap, axis) => {
    const extent = x.shape[axis]!;
    if (gap === 0 || extent <= 1) return;
    const only = (n: number): number[] => [...spread.shape.map(() => 0), 0].map((_, i) => (i === axis + 1 ? n : 0));
    const column = reshape(spread, [...spread.shape.slice(0, axis + 1), 1, ...spread.shape.slice(axis + 1)]);
    const wide = pad(column, only(0), only(gap), only(0), value);
    const joined = reshape(wide, [...spread.shape.slice(0, axis), extent * (gap + 1), ...spread.shape.slice(axis + 1)]);
    spread = slice(
      joined,
      joined.shape.map(() => 0),
      joined.shape.map((n, i) => (i === axis ? n - gap : n)),
      joined.shape.map(() => 1),
    );
  });
  return pad(
    spread,
    low,
    high,
    interior.map(() => 0),
    value,
  );
}
