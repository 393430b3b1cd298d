/** @file Convolutions of few channels as physical nodes over planar images [N, C, H, W]. With three or four channels the lanes of a
 * channel-last vector stay empty or are refilled for every tap; here lanes are neighbouring pixels, and images keep the user's order. */
import type { Node } from "../ir/graph.ts";
import type { PlanarShape } from "../ir/kernel.ts";
import { LONGEST_CONTRACTION } from "../ir/sums.ts";
import { transpose } from "../ops/build.ts";
import { type FilterView, kernelNode } from "./physical.ts";

/** Channels on either side up to which pixels fill the lanes better than channels do. */
const FEW_CHANNELS = 4;
/** Pixels of the narrowest image row that is worth it: two vectors. */
const LEAST_WIDTH = 8;

interface Convolution {
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: readonly [number, number];
  /** Height and width of the output. */
  readonly size: readonly [number, number];
  /** Terms that an accumulator of the planar kernel would take in a row. */
  readonly terms: number;
}

/** Whether a convolution is better done on planar images. */
export function planarPays({ inputs, outputs, stride, size: [, width], terms }: Convolution): boolean {
  const fits = stride[0] === 1 && stride[1] === 1 && width >= LEAST_WIDTH && width % 4 === 0;
  return fits && inputs <= FEW_CHANNELS && outputs <= FEW_CHANNELS && terms <= LONGEST_CONTRACTION;
}

/** y[N, K, H, W] of a dense padded x[N, C, H+R-1, W+S-1]. */
export function planarConv(x: Node, filter: FilterView): Node {
  const [out, channel, row, column] = filter.axes;
  const packed = transpose(filter.node, [channel, row, column, out]);
  const shape = planarShape(x, packed.shape[3]!, packed.shape[1]!, packed.shape[2]!);
  return kernelNode("planar-conv", { kind: "planar-conv", ...shape }, [x, packed], [shape.batch, shape.channels, shape.height, shape.width]);
}

/** [chunks, K, C, R, S] of a dense padded x[N, C, H+R-1, W+S-1] and dy[N, K, H, W]: one partial sum per chunk of the batch. */
export function planarFilterGrad(x: Node, dy: Node, [rows, columns]: readonly [number, number], chunks: number): Node {
  const shape = planarShape(x, dy.shape[1]!, rows, columns);
  return kernelNode("planar-filter-grad", { kind: "planar-filter-grad", ...shape, chunks }, [x, dy], [chunks, shape.channels, shape.inputs, rows, columns]);
}

function planarShape(x: Node, channels: number, rows: number, columns: number): PlanarShape {
  const [batch, inputs, height, width] = x.shape as [number, number, number, number];
  return { batch, channels, inputs, height: height - rows + 1, width: width - columns + 1, rows, columns };
}
