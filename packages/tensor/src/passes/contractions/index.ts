/** @file The registry of the ways to compute contractions: the layout pass asks them for every convolution, gradient of one and matrix product,
 * and takes the cheapest that fits. A way is one entry, in a file of its own, and one line here. */
import { InvariantError } from "../../base/errors.ts";
import { type Node, topologicalOrder } from "../../ir/graph.ts";
import type { Target } from "../../ir/target.ts";
import { convolutionOf } from "../../ops/convolution.ts";
import { operation } from "../../ops/definition.ts";
import { poolGeometryOf, poolingOf } from "../../ops/pooling.ts";
import type { Placed } from "../placed.ts";
import { cheapest, type FilterGradient, type Forward, type InputGradient, type Product, turned, type Way } from "./contraction.ts";
import { depthwiseConvolution, depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise.ts";
import { directConvolution, directInputGradient } from "./direct.ts";
import { directFilterGradient } from "./direct-filter-gradient.ts";
import { filterOf, turnFilter } from "./filter.ts";
import { planarConvolution, planarFilterGradient } from "./planar.ts";
import { loopGather, loopMaximum, loopScatter, type Maximum, type Selection } from "./pooling.ts";
import { rowProduct, transposedProduct, turnedProduct } from "./products.ts";
import { winogradConvolution } from "./winograd-convolution.ts";
import { winogradFilterGradient } from "./winograd-filter-gradient.ts";

const FORWARD: readonly Way<Forward>[] = [directConvolution, depthwiseConvolution, planarConvolution, winogradConvolution];

/** Of convolutions with a stride; those without one are {@link FORWARD} convolutions. */
const INPUT_GRADIENT: readonly Way<InputGradient>[] = [directInputGradient, depthwiseInputGradient];

const FILTER_GRADIENT: readonly Way<FilterGradient>[] = [directFilterGradient, depthwiseFilterGradient, planarFilterGradient, winogradFilterGradient];

const PRODUCT: readonly Way<Product>[] = [rowProduct, transposedProduct, turnedProduct];

const MAXIMUM: readonly Way<Maximum>[] = [loopMaximum];

const GATHER: readonly Way<Selection>[] = [loopGather];

const SCATTER: readonly Way<Selection>[] = [loopScatter];

/** Whether a node is computed in one of these ways. */
export function isContraction(node: Node): boolean {
  return operation(node.op).lower.kind === "contraction";
}

/** A contraction by the cheapest way. */
export function placeContraction(node: Node, [first, second]: readonly Placed[], target: Target): Placed {
  const compute = <Contraction>(ways: readonly Way<Contraction>[], contraction: Contraction): Placed => {
    const way = cheapest(ways, contraction, target);
    if (!way) throw new InvariantError(`no way fits ${node.op} ${JSON.stringify(node.attrs)}`);
    return way.lower(contraction, target);
  };
  if (node.op === "dot") {
    const [rows, depth] = node.inputs[0]!.shape as [number, number];
    return compute(PRODUCT, { rows, depth, columns: node.shape[1]!, left: first!, right: second! });
  }
  if (node.op === "max-pool2d") return compute(MAXIMUM, { shape: poolingOf(node.inputs[0]!.shape, poolGeometryOf(node.attrs)), image: first! });
  if (node.op === "window-gather") {
    return compute(GATHER, { shape: poolingOf(node.inputs[0]!.shape, poolGeometryOf(node.attrs)), of: first!, index: second! });
  }
  if (node.op === "window-scatter") return compute(SCATTER, { shape: poolingOf(node.shape, poolGeometryOf(node.attrs)), of: first!, index: second! });
  const shape = convolutionOf(node);
  if (node.op === "conv2d-filter-grad") return compute(FILTER_GRADIENT, { shape, image: first!, cotangent: second! });
  if (node.op === "conv2d") return compute(FORWARD, { shape, image: first!, filter: filterOf(second!, shape.groups) });
  const filter = turnFilter(filterOf(second!, shape.groups));
  if (shape.stride.every((step) => step === 1)) return compute(FORWARD, { shape: turned(shape), image: first!, filter });
  return compute(INPUT_GRADIENT, { shape, cotangent: first!, filter });
}

/** Checks that a pass left no contraction behind. */
export function checkPhysical(roots: readonly Node[]): void {
  for (const node of topologicalOrder(roots)) if (isContraction(node)) throw new InvariantError(`${node.op} survived the layout pass`);
}
