/** @file The filter gradient of Winograd's convolution: a product of matrices for each position, summed over tiles. */
import type { Node } from "../../ir/graph.ts";
import type { WinogradFilterGradKernel } from "../../ir/kernel.ts";
import { transposed } from "../../ir/linear-map.ts";
import { LONGEST_CONTRACTION } from "../../ir/sums.ts";
import type { Target } from "../../ir/target.ts";
import { AT, BT, G, GRADIENT_TILES, POSITIONS, SIDE, STEP, type Tiling, tileFilterGradients, WINDOW } from "../../ir/winograd.ts";
import { sum } from "../../ops/build.ts";
import { kernelNode } from "../kernel-node.ts";
import { arrange, NHWC } from "../placed.ts";
import type { FilterGradient, Way } from "./contraction.ts";
import { PACKED } from "./direct-filter-gradient.ts";
import { padImage } from "./image.ts";
import { fitsTiles, imageTiles, tileCost, tilesOf, tileTransform, tilingOf, toPositions } from "./winograd-tiles.ts";

/** Parts of a filter gradient that are computed side by side. */
const FILTER_GRAD_CHUNKS = 16;

export const winogradFilterGradient: Way<FilterGradient> = {
  name: "Winograd's filter gradient",
  fits: ({ shape }, target) => fitsTiles(shape, target),
  cost: ({ shape }) => tileCost(shape),
  lower({ shape, image, cotangent }, target) {
    const x = padImage(image, shape, NHWC);
    return { node: winogradFilterGrad(x, arrange(cotangent, NHWC), target), permutation: PACKED };
  },
};

/** dw[3, 3, C, K] of a dense padded x[N, H+2, W+2, C] and dy[N, H, W, K]: the transpose of the convolution. */
function winogradFilterGrad(x: Node, dy: Node, target: Target): Node {
  const [inputs, outputs] = [x.shape[3]!, dy.shape[3]!];
  const size = inputs * outputs;
  const { chunks, rowsOfChunk } = chunksOfRows(tilingOf(dy.shape[0]!, [dy.shape[1]!, dy.shape[2]!]));
  const fused = 4 * POSITIONS * size <= target.fusedFilterGradBytes && dy.shape[2]! <= STEP * GRADIENT_TILES && rowsOfChunk <= LONGEST_CONTRACTION;
  return tileTransform(
    fused ? fusedFilterGrad(x, dy, chunks) : filterGradInParts(x, dy),
    {
      map: transposed(G),
      images: inputs,
      tileRows: 1,
      tileColumns: 1,
      channels: outputs,
      input: { image: outputs, tileRow: 0, tileColumn: 0, row: SIDE * size, column: size },
      output: { image: outputs, tileRow: 0, tileColumn: 0, row: WINDOW * size, column: size },
    },
    [WINDOW, WINDOW, inputs, outputs],
  );
}

/** How the rows of tiles, counted through all images, are split for {@link fusedFilterGrad}. */
function chunksOfRows({ images, tileRows }: Tiling): { readonly chunks: number; readonly rowsOfChunk: number } {
  let chunks = Math.min(FILTER_GRAD_CHUNKS, images * tileRows);
  while ((images * tileRows) % chunks !== 0) chunks--;
  return { chunks, rowsOfChunk: (images * tileRows) / chunks };
}

/** The gradient of the transformed filter [36, C, K]. A chunk's rows are summed one after the other. */
function fusedFilterGrad(x: Node, dy: Node, chunks: number): Node {
  const [images, height, width, outputs] = dy.shape as [number, number, number, number];
  const [, paddedHeight, paddedWidth, inputs] = x.shape as [number, number, number, number];
  const tiling = tilingOf(images, [height, width]);
  const kernel: WinogradFilterGradKernel = {
    kind: "winograd-filter-grad",
    before: BT,
    beforeCotangent: transposed(AT),
    ...tiling,
    inputs,
    outputs,
    input: imageTiles(paddedHeight, paddedWidth, inputs),
    cotangent: imageTiles(height, width, outputs),
    chunks,
  };
  return sum(kernelNode(kernel, [x, dy], [chunks, POSITIONS, inputs, outputs]), [0]);
}

/** The same with transformed tiles in memory. */
function filterGradInParts(x: Node, dy: Node): Node {
  const [images, height, width, outputs] = dy.shape as [number, number, number, number];
  const inputs = x.shape[3]!;
  const tiling = tilingOf(images, [height, width]);
  const v = toPositions(x, BT, tiling);
  const z = toPositions(dy, transposed(AT), tiling);
  const kernel = tileFilterGradients({ inputs, outputs }, tilesOf(tiling), { input: v.shape[1]!, cotangent: z.shape[1]! });
  return kernelNode(kernel, [v, z], [POSITIONS, inputs, outputs]);
}
