/** @file Winograd's convolution: a product of matrices for each position of transformed tiles. */
import type { Node } from "../../ir/graph.ts";
import type { WinogradConvKernel } from "../../ir/kernel.ts";
import type { Target } from "../../ir/target.ts";
import { AT, BT, G, POSITIONS, SIDE, SKEW, tileProducts, WINDOW } from "../../ir/winograd.ts";
import type { Pair } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { NHWC } from "../placed.ts";
import type { Forward, Way } from "./contraction.ts";
import { packFilter } from "./filter.ts";
import { padImage } from "./image.ts";
import { fitsTiles, imageTiles, positionTiles, tileCost, tilesOf, tileTransform, tilingOf, toPositions } from "./winograd-tiles.ts";

export const winogradConvolution: Way<Forward> = {
  name: "Winograd's convolution",
  fits: ({ shape }, target) => fitsTiles(shape, target),
  cost: ({ shape }) => tileCost(shape),
  lower({ shape, image, filter }, target) {
    const x = padImage(image, shape, NHWC);
    return { node: winogradConv(x, packFilter(filter, target), shape.outputs, shape.result, target), permutation: NHWC };
  },
};

/** y[N, H, W, K] of a dense padded x[N, H+2, W+2, C] and a packed 3x3 filter, with stride 1. */
function winogradConv(x: Node, filter: Node, outputs: number, size: Pair, target: Target): Node {
  const [blocks, , , inputs, block] = filter.shape as [number, number, number, number, number];
  const tiling = tilingOf(x.shape[0]!, size);
  const filterPosition = outputs * inputs + SKEW;
  const run = inputs * block;
  const u = tileTransform(
    filter,
    {
      map: G,
      images: blocks,
      tileRows: 1,
      tileColumns: 1,
      channels: run,
      input: { image: WINDOW ** 2 * run, tileRow: 0, tileColumn: 0, row: WINDOW * run, column: run },
      output: { image: run, tileRow: 0, tileColumn: 0, row: SIDE * filterPosition, column: filterPosition },
    },
    [POSITIONS, filterPosition],
  );

  const [height, width] = size;
  const y = { shape: [tiling.images, height, width, outputs], strides: imageTiles(height, width, outputs) };
  if (4 * POSITIONS * inputs * outputs <= target.fusedFilterBytes) {
    const kernel: WinogradConvKernel = {
      kind: "winograd-conv",
      before: BT,
      after: AT,
      ...tiling,
      inputs,
      outputs,
      block,
      input: imageTiles(x.shape[1]!, x.shape[2]!, inputs),
      output: y.strides,
      filterPosition,
    };
    return kernelNode(kernel, [x, u], y.shape);
  }

  const tiles = tilesOf(tiling);
  const v = toPositions(x, BT, tiling);
  const product = tiles * outputs + SKEW;
  const kernel = tileProducts({ inputs, outputs, block }, tiles, { input: v.shape[1]!, filter: filterPosition, output: product });
  const m = kernelNode(kernel, [v, u], [POSITIONS, product]);

  const strides = { input: positionTiles(tiling, outputs, product), output: y.strides };
  return tileTransform(m, { map: AT, ...tiling, channels: outputs, ...strides }, y.shape);
}
