/** @file The operations that exist only below the layout pass: contractions over dense, explicitly padded images,
 * channel-last unless their name says otherwise. */
import { InvariantError } from "../base/errors.ts";
import type { Attributes } from "../ir/graph.ts";
import { Node } from "../ir/graph.ts";
import { filterBlock, type Kernel } from "../ir/kernel.ts";
import type { Target } from "../ir/target.ts";
import { flip, pad, reshape, transpose } from "../ops/build.ts";
import { register } from "../ops/definition.ts";

/** A filter in any axis order. */
export interface FilterView {
  readonly node: Node;
  /** Where the axes (out channel, in channel, row, column) are in `node`. */
  readonly axes: readonly [number, number, number, number];
}

/** Packs a filter as [⌈out/block⌉, rows, columns, in, block], zero-padded: the order in which the kernel reads it. */
export function packFilter({ node, axes }: FilterView, { wide }: Target): Node {
  const [out, channel, row, column] = axes;
  const block = filterBlock(node.shape[out]!, wide);
  const missing = (block - (node.shape[out]! % block)) % block;
  const zeros = node.shape.map(() => 0);
  const padded = pad(
    node,
    zeros,
    node.shape.map((_, axis) => (axis === out ? missing : 0)),
    zeros,
  );
  const split = reshape(
    padded,
    padded.shape.flatMap((extent, axis) => (axis === out ? [extent / block, block] : [extent])),
  );
  const place = (axis: number): number => (axis > out ? axis + 1 : axis);
  return transpose(split, [out, place(row), place(column), place(channel), out + 1]);
}

/** The filter turned by 180° with in and out channels exchanged: convolving a cotangent with it gives the input's gradient. */
export function turnFilter({ node, axes: [out, channel, row, column] }: FilterView): FilterView {
  return {
    node: flip(
      node,
      [row, column].sort((a, b) => a - b),
    ),
    axes: [channel, out, row, column],
  };
}

/** A node that carries its kernel. */
export function kernelNode(op: string, kernel: Kernel, inputs: readonly Node[], shape: readonly number[]): Node {
  return new Node(op, inputs, kernel as unknown as Attributes, shape, "float32");
}

/** y[N, OH, OW, K] of a dense padded x[N, H, W, C] and a packed filter. */
export function packedConv(x: Node, filter: Node, channels: number, stride: readonly [number, number], size: readonly [number, number]): Node {
  return new Node("packed-conv", [x, filter], { stride: [...stride], channels }, [x.shape[0]!, size[0], size[1], channels], "float32");
}

/** One part of an input gradient with stride > 1: the pixels whose position is `phase` modulo the stride. */
export interface Phase {
  readonly phase: readonly [number, number];
  /** Where the part's window starts in the padded cotangent. */
  readonly start: readonly [number, number];
  readonly [key: string]: Attributes[string];
}

/** dx[N, H, W, C] of a padded dy and one packed filter per phase; phases without a filter stay zero. */
export function phasedConv(dy: Node, filters: readonly Node[], phases: readonly Phase[], shape: readonly number[], stride: readonly [number, number]): Node {
  return new Node("phased-conv", [dy, ...filters], { phases, stride: [...stride], complete: phases.length === stride[0] * stride[1] }, shape, "float32");
}

/** Into how many parts a filter gradient splits the batch: the largest divisor that leaves a part enough pixels to pay for the
 * sum over parts. */
export function filterGradChunks(batch: number, height: number, width: number, { chunkPixels }: Target): number {
  let chunks = Math.min(batch, Math.max(1, Math.floor((batch * height * width) / chunkPixels)));
  while (batch % chunks !== 0) chunks--;
  return chunks;
}

/** [chunks, R, S·C, K] of a dense padded x[N, H, W, C] and dy[N, OH, OW, K]: one partial sum per chunk of the batch. */
export function packedFilterGrad(x: Node, dy: Node, stride: readonly [number, number], filterSize: readonly [number, number], chunks: number): Node {
  const shape = [chunks, filterSize[0], filterSize[1] * x.shape[3]!, dy.shape[3]!];
  return new Node("packed-filter-grad", [x, dy], { stride: [...stride], chunks }, shape, "float32");
}

const never = (): never => {
  throw new InvariantError("a physical operation has no logical meaning");
};

/** Names of the operations defined here, in planar.ts and in winograd.ts. */
export const PHYSICAL_OPERATIONS: readonly string[] = [
  "packed-conv",
  "phased-conv",
  "packed-filter-grad",
  "planar-conv",
  "planar-filter-grad",
  "tile-transform",
  "winograd-conv",
  "winograd-filter-grad",
  "winograd-product",
  "winograd-filter-product",
];

register(
  PHYSICAL_OPERATIONS.map((name) => ({
    name,
    infer: never,
    vjp: null,
    lower: { kind: "special" },
    reference: never,
    samples: [],
  })),
);
