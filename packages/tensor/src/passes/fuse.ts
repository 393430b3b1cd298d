/** @file Fusion: which values get a place in memory. Everything else is computed inside the kernels that use it, perhaps more
 * than once when that is cheaper than a trip through memory. */
import { sizeOf } from "../base/shape.ts";
import { type Node, topologicalOrder } from "../ir/graph.ts";
import { isLeaf } from "../ir/rewrite.ts";
import { operation } from "../ops/definition.ts";

/** A value used several times is still recomputed in each user if it takes at most this many instructions … */
const RECOMPUTE_INSTRUCTIONS = 8;
/** … and reads at most this many large operands. */
const RECOMPUTE_READS = 2;
/** A chain of this many instructions is cut, so that kernels stay of a size that compilers like. */
const LONGEST_CHAIN = 96;
/** So is one of this many moves, which cost no instructions but nest. */
const MOST_MOVES = 64;
/** Users of a value, at most, that are looked through for the one kernel that has all of them. */
const MOST_USERS = 64;

/** What the inlined expression of a node costs. */
interface Cost {
  readonly instructions: number;
  /** Materialised operands of at least a quarter of the node's size. */
  readonly reads: ReadonlySet<Node>;
  /** Whether elements are read out of order (a transposition on the way). */
  readonly strided: boolean;
  /** Moves on the longest way to an operand. */
  readonly moves: number;
}

/** A reshape is free of index arithmetic if every operand axis becomes a run of result axes. */
export function splitsAxes(from: readonly number[], to: readonly number[]): number[][] | null {
  const groups: number[][] = [];
  let next = 0;
  for (const extent of from) {
    const group: number[] = [];
    let product = 1;
    if (extent === 1) {
      if (to[next] === 1) group.push(next++);
      groups.push(group);
      continue;
    }
    while (product < extent && next < to.length) {
      product *= to[next]!;
      group.push(next++);
    }
    if (product !== extent) return null;
    groups.push(group);
  }
  for (; next < to.length; next++) if (to[next] !== 1) return null;
  return groups;
}

/** Values that must be in memory because their users address them freely. */
function forcedOperands(node: Node): readonly Node[] {
  if (isOwnKernel(node)) return node.inputs;
  if (node.op === "gather") return [node.inputs[0]!];
  return isMergingReshape(node) ? [node.inputs[0]!] : [];
}

/** Operations that are kernels of their own and address their operands freely. */
function isOwnKernel(node: Node): boolean {
  return operation(node.op).lower.kind === "kernels";
}

function isRoot(node: Node): boolean {
  return isOwnKernel(node) || operation(node.op).lower.kind === "reduce";
}

/** Instructions of the operation itself. */
function ownInstructions(node: Node): number {
  switch (node.op) {
    case "tanh":
    case "exp":
    case "log":
    case "sin":
    case "cos":
      return 24;
    case "div":
    case "sqrt":
      return 4;
    case "gather":
      return 6;
    default:
      return operation(node.op).lower.kind === "elementwise" ? 1 : 0;
  }
}

/** The nodes that get a buffer. A reshape of such a node that merges axes shares its buffer instead. */
export function chooseMaterialized(outputs: readonly Node[]): Set<Node> {
  const order = topologicalOrder(outputs);
  const users = new Map<Node, Node[]>();
  for (const node of order) {
    for (const input of new Set(node.inputs)) {
      const its = users.get(input);
      if (its) its.push(node);
      else users.set(input, [node]);
    }
  }
  const materialized = new Set<Node>(order.filter((node) => isLeaf(node) || isRoot(node)));
  for (const output of outputs) materialized.add(output);
  for (const node of order) {
    for (const operand of forcedOperands(node)) if (!isMergingReshape(operand)) materialized.add(operand);
  }
  const costs = new Map<Node, Cost>();
  /** Those that are stored only because several others use them, with what they cost. */
  const shared = new Map<Node, Cost>();
  for (const node of order) {
    if (!materialized.has(node)) {
      const cost = combinedCost(node, costs, materialized);
      const why = reasonToStore(node, users.get(node) ?? [], cost);
      if (why) materialized.add(node);
      if (why === "shared") shared.set(node, cost);
      if (!why) {
        costs.set(node, cost);
        continue;
      }
    }
    costs.set(node, { instructions: 0, reads: new Set([node]), strided: false, moves: 0 });
  }
  /** Instructions of the kernels that others have been taken into. */
  const chains = new Map([...shared].map(([node, { instructions }]) => [node, instructions]));
  for (const node of shared.keys()) {
    const kernel = onlyKernel(node, users, materialized);
    if (!kernel) continue;
    const chain = chains.get(node)! + (chains.get(kernel) ?? combinedCost(kernel, costs, materialized).instructions);
    if (chain > LONGEST_CHAIN) continue;
    chains.set(kernel, chain);
    materialized.delete(node);
  }
  return materialized;
}

/** The one kernel that all users of a value are computed in, where each of them needs the same elements of it at a time; else null. */
function onlyKernel(value: Node, users: ReadonlyMap<Node, readonly Node[]>, materialized: ReadonlySet<Node>): Node | null {
  let kernel: Node | null = null;
  /** By what moves a user sees the value. */
  const seen = new Map<Node, string>([[value, ""]]);
  const pending = [value];
  for (let node = pending.pop(); node; node = pending.pop()) {
    const moves = seen.get(node)!;
    for (const user of users.get(node) ?? []) {
      const { kind } = operation(user.op).lower;
      if (isOwnKernel(user) || (kind !== "elementwise" && (kind !== "view" || user.op === "broadcast" || isMergingReshape(user)))) return null;
      const through = kind === "view" ? `${moves} ${user.id}` : moves;
      if (seen.has(user)) {
        if (seen.get(user) !== through) return null;
        continue;
      }
      if (seen.size > MOST_USERS) return null;
      seen.set(user, through);
      if (!materialized.has(user)) pending.push(user);
      else if (kernel !== null) return null;
      else kernel = user;
    }
  }
  return kernel;
}

/** A reshape that needs its operand in memory and is then only another name for it. */
export function isMergingReshape(node: Node): boolean {
  return node.op === "reshape" && splitsAxes(node.inputs[0]!.shape, node.shape) === null;
}

function combinedCost(node: Node, costs: ReadonlyMap<Node, Cost>, materialized: ReadonlySet<Node>): Cost {
  let instructions = ownInstructions(node);
  const reads = new Set<Node>();
  let strided = node.op === "transpose" && sizeOf(node.shape) >= 4096;
  let moves = 0;
  for (const input of new Set(node.inputs)) {
    const cost = costs.get(input)!;
    instructions += cost.instructions;
    strided ||= cost.strided;
    moves = Math.max(moves, cost.moves);
    for (const read of cost.reads) if (4 * sizeOf(read.shape) >= sizeOf(node.shape) && materialized.has(read)) reads.add(read);
  }
  return { instructions, reads, strided, moves: operation(node.op).lower.kind === "elementwise" ? moves : moves + 1 };
}

/** Why a value is stored; null where it is not. */
function reasonToStore(node: Node, users: readonly Node[], { instructions, reads, strided, moves }: Cost): "needed" | "shared" | null {
  if (isMergingReshape(node) || node.op === "full" || node.op === "iota") return null;
  if (instructions > LONGEST_CHAIN || moves > MOST_MOVES) return "needed";
  const size = sizeOf(node.shape);
  const repeated = users.some((user) => user.op === "broadcast" && sizeOf(user.shape) >= 4 * size);
  if (repeated && instructions > 0) return "needed";
  // Computed in its own order the value is read and written in lanes; only the finished elements are then moved.
  if (size >= 4096 && instructions >= 3 && users.some((user) => user.op === "transpose")) return "needed";
  const branches = users.length > 1;
  if (branches && strided) return "needed";
  return branches && (instructions > RECOMPUTE_INSTRUCTIONS || reads.size > RECOMPUTE_READS) ? "shared" : null;
}
