/** @file Reverse-mode differentiation, graph to graph: a gradient is again nodes, so it can be differentiated again, to any order. */
import { TraceError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { Node } from "../ir/graph.ts";
import { type TreeOf, treeLeaves, treeUnflatten } from "../ir/tree.ts";
import { add, alias, full, fullLike } from "../ops/build.ts";
import { operation } from "../ops/definition.ts";

/** Cotangents of `inputs` given the cotangents of `outputs`; zeros where an output does not depend on an input. */
function backpropagate(outputs: readonly Node[], cotangents: readonly Node[], inputs: readonly Node[]): Node[] {
  const dependent = dependents(outputs, inputs);
  const accumulated = new Map<Node, Node>();
  const accumulate = (node: Node, cotangent: Node): void => {
    const sum = accumulated.get(node);
    accumulated.set(node, sum ? add(sum, cotangent) : cotangent);
  };
  outputs.forEach((output, i) => {
    if (dependent.has(output)) accumulate(output, cotangents[i]!);
  });
  const inputSet = new Set(inputs);
  for (const node of [...dependent].sort((a, b) => b.id - a.id)) {
    const cotangent = accumulated.get(node);
    if (!cotangent || inputSet.has(node)) continue;
    const rule = operation(node.op).vjp;
    if (!rule) continue;
    const contributions = rule(node, cotangent);
    node.inputs.forEach((input, i) => {
      const contribution = contributions[i];
      if (contribution && dependent.has(input)) accumulate(input, contribution);
    });
  }
  return inputs.map((input) => accumulated.get(input) ?? fullLike(input, 0));
}

/** The nodes on a path from some input to some output. A node is younger than all it depends on, which bounds the search. */
function dependents(outputs: readonly Node[], inputs: readonly Node[]): Set<Node> {
  const oldest = Math.min(...inputs.map((input) => input.id));
  const visited = new Set<Node>(inputs);
  const stack = [...outputs];
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (visited.has(node) || node.id < oldest) continue;
    visited.add(node);
    stack.push(...node.inputs);
  }
  const dependent = new Set<Node>(inputs);
  for (const node of [...visited].sort((a, b) => a.id - b.id)) {
    if (node.inputs.some((input) => dependent.has(input))) dependent.add(node);
  }
  return dependent;
}

/** Fresh aliases of a tree's leaves, which is what the gradient is taken with respect to, and these in order. */
function aliases<T>(name: string, tree: T): { traced: T; leaves: Node[] } {
  const leaves = treeLeaves<unknown>(tree).map((leaf) => {
    if (!(leaf instanceof Node)) {
      throw new TraceError(`${name}: expected tensors as leaves of the differentiated argument, got ${typeof leaf}; wrap numbers with tensor(…)`);
    }
    if (leaf.dtype !== "float32") throw new TraceError(`${name}: only float32 can be differentiated, got ${leaf.dtype}${formatShape(leaf.shape)}`);
    return alias(leaf);
  });
  return { traced: treeUnflatten(tree, leaves) as T, leaves };
}

/** f(primals) and the function from f's cotangent (a tree like f's result) to the primals' cotangents (one tree per primal). */
export function vjp<Primals extends readonly unknown[], Result>(
  f: (...primals: Primals) => Result & TreeOf<Result, Node>,
  ...primals: Primals
): [Result, (cotangent: Result) => Primals] {
  const { traced, leaves } = aliases("vjp", primals);
  const result: Result = f(...traced);
  const pullback = (cotangent: Result): Primals => {
    const gradients = backpropagate(treeLeaves(result) as Node[], treeLeaves(cotangent) as Node[], leaves);
    return treeUnflatten(primals, gradients) as unknown as Primals;
  };
  return [result, pullback];
}

interface GradOptions<Argnum extends number = number> {
  /** Which argument to differentiate; 0 by default. */
  readonly argnum?: Argnum;
}

/** The value of a scalar function and its gradient with respect to one argument (a tree like that argument).
 * A function that returns `[value, aux]` passes its auxiliary tree through. Everything else it uses counts as constant here;
 * an outer `grad` still differentiates through it. */
export function valueAndGrad<Arguments extends readonly unknown[], Result extends Node | readonly [Node, unknown], Argnum extends number = 0>(
  f: (...args: Arguments) => Result,
  options: GradOptions<Argnum> = {},
): (...args: Arguments) => [Result, Arguments[Argnum]] {
  const argnum = options.argnum ?? 0;
  return (...args) => {
    const { traced, leaves } = aliases("grad", args[argnum]);
    const result = f(...(args.with(argnum, traced) as unknown as Arguments));
    const value = (Array.isArray(result) ? result[0] : result) as Node;
    if (!(value instanceof Node) || value.shape.length !== 0 || value.dtype !== "float32") {
      const got = value instanceof Node ? `${value.dtype}${formatShape(value.shape)}` : typeof value;
      throw new TraceError(`grad: the function must return a float32 scalar, got ${got}; reduce it with sum(…) or mean(…)`);
    }
    return [result, treeUnflatten(traced, backpropagate([value], [full([], 1)], leaves)) as Arguments[Argnum]];
  };
}

/** The gradient of a scalar function with respect to one argument. */
export function grad<Arguments extends readonly unknown[], Argnum extends number = 0>(
  f: (...args: Arguments) => Node | readonly [Node, unknown],
  argnum?: Argnum,
): (...args: Arguments) => Arguments[Argnum] {
  const both = valueAndGrad(f, argnum === undefined ? {} : { argnum });
  return (...args) => both(...args)[1];
}
