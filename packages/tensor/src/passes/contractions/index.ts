/** @file The registry of the ways to compute contractions: the layout pass asks them for every convolution, gradient of one, matrix product and
 * pooling, and takes the cheapest that fits. A way is one entry, in a file of its own, and one line here. */
import { InvariantError } from "../../base/errors.ts";
import { type Node, topologicalOrder } from "../../ir/graph.ts";
import type { Target } from "../../ir/target.ts";
import { convolutionOf } from "../../ops/convolution.ts";
import { operation } from "../../ops/definition.ts";
import { poolGeometryOf, poolingOf } from "../../ops/pooling.ts";
import type { Placed } from "../placed.ts";
import {
  cheapest,
  type FilterGradient,
  type Forward,
  type InputGradient,
  type Maximum,
  type Product,
  type Selection,
  turned,
  type Way,
} from "./contraction.ts";
import { depthwiseConvolution, depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise.ts";
import { directConvolution, directInputGradient } from "./direct.ts";
import { directFilterGradient } from "./direct-filter-gradient.ts";
import { filterOf, turnFilter } from "./filter.ts";
import { planarConvolution, planarFilterGradient } from "./planar.ts";
import { pointwiseFilterGradient } from "./pointwise-filter-gradient.ts";
import { loopArgmax, loopGather, loopMaximum, loopScatter } from "./pooling.ts";
import { rowProduct, transposedProduct, turnedProduct } from "./products.ts";
import { winogradConvolution } from "./winograd-convolution.ts";
import { winogradFilterGradient } from "./winograd-filter-gradient.ts";

const FORWARD: readonly Way<Forward>[] = [directConvolution, depthwiseConvolution, planarConvolution, winogradConvolution];

/** Of convolutions with a stride; those without one are {@link FORWARD} convolutions. */
const INPUT_GRADIENT: readonly Way<InputGradient>[] = [directInputGradient, depthwiseInputGradient];

const FILTER_GRADIENT: readonly Way<FilterGradient>[] = [
  directFilterGradient,
  pointwiseFilterGradient,
  depthwiseFilterGradient,
  planarFilterGradient,
  winogradFilterGradient,
];

const PRODUCT: readonly Way<Product>[] = [rowProduct, transposedProduct, turnedProduct];

const MAXIMUM: readonly Way<Maximum>[] = [loopMaximum];

const ARGMAX: readonly Way<Maximum>[] = [loopArgmax];

const GATHER: readonly Way<Selection>[] = [loopGather];

const SCATTER: readonly Way<Selection>[] = [loopScatter];

function compute<Contraction>(ways: readonly Way<Contraction>[], contraction: Contraction, target: Target): Placed {
  const way = cheapest(ways, contraction, target);
  if (!way) throw new InvariantError("no registered way computes a contraction of the program");
  return way.lower(contraction, target);
}

type Place = (node: Node, first: Placed, second: Placed, target: Target) => Placed;

/** What an operation asks for, and of which ways. */
const BY_OPERATION: Readonly<Record<string, Place>> = {
  dot(node, left, right, target) {
    const [rows, depth] = node.inputs[0]!.shape as [number, number];
    return compute(PRODUCT, { rows, depth, columns: node.shape[1]!, left, right }, target);
  },
  conv2d(node, image, w, target) {
    const shape = convolutionOf(node);
    return compute(FORWARD, { shape, image, filter: filterOf(w, shape.groups) }, target);
  },
  "conv2d-input-grad"(node, cotangent, w, target) {
    const shape = convolutionOf(node);
    const filter = turnFilter(filterOf(w, shape.groups));
    if (shape.stride.every((step) => step === 1)) return compute(FORWARD, { shape: turned(shape), image: cotangent, filter }, target);
    return compute(INPUT_GRADIENT, { shape, cotangent, filter }, target);
  },
  "conv2d-filter-grad": (node, image, cotangent, target) => compute(FILTER_GRADIENT, { shape: convolutionOf(node), image, cotangent }, target),
  "max-pool2d": (node, image, _, target) => compute(MAXIMUM, { shape: poolingOfNode(node, node.inputs[0]!), image }, target),
  "window-argmax": (node, image, _, target) => compute(ARGMAX, { shape: poolingOfNode(node, node.inputs[0]!), image }, target),
  "window-gather": (node, of, index, target) => compute(GATHER, { shape: poolingOfNode(node, node.inputs[0]!), of, index }, target),
  "window-scatter": (node, of, index, target) => compute(SCATTER, { shape: poolingOfNode(node, node), of, index }, target),
};

const poolingOfNode = ({ attrs }: Node, { shape }: Node) => poolingOf(shape, poolGeometryOf(attrs));

/** Whether a node is computed in one of these ways. */
export function isContraction(node: Node): boolean {
  return operation(node.op).lower.kind === "contraction";
}

/** A contraction by the cheapest way. */
export function placeContraction(node: Node, [first, second]: readonly Placed[], target: Target): Placed {
  const place = BY_OPERATION[node.op];
  if (!place) throw new InvariantError(`${node.op} is a contraction without ways`);
  return place(node, first!, second!, target);
}

/** Checks that a pass left no contraction behind. */
export function checkPhysical(roots: readonly Node[]): void {
  for (const node of topologicalOrder(roots)) if (isContraction(node)) throw new InvariantError(`${node.op} survived the layout pass`);
}
