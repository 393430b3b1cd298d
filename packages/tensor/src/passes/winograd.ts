/** @file Winograd's convolution F(4x4, 3x3) as physical nodes (Winograd 1980; Lavin and Gray, CVPR 2016): Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A,
 * a quarter of the multiplications of the direct form. The interpolation points 0, 1, −1, 1/2, −2, ∞ lose less precision than
 * the usual ±1, ±2: the relative L2 error stays below 5e-6 in float32. */
import type { Node } from "../ir/graph.ts";
import {
  type ConvKernel,
  type FilterGradKernel,
  type TileStrides,
  type TileTransformKernel,
  WINOGRAD_GRADIENT_TILES,
  type WinogradConvKernel,
  type WinogradFilterGradKernel,
} from "../ir/kernel.ts";
import { type LinearMap, transposed } from "../ir/linear-map.ts";
import { LONGEST_CONTRACTION } from "../ir/sums.ts";
import type { Target } from "../ir/target.ts";
import { sum } from "../ops/build.ts";
import { kernelNode } from "./physical.ts";

/** Bᵀ: with M(x) = x(x² − 1)(x² + 1.5x − 1), the coefficients of M(x)/(x − p) for each point p, and of M(x) for ∞, up to a factor. They share
 * r = x² − 1 and q = x² + 1.5x − 1, each at four places. */
// biome-ignore format: a sum in a line
export const BT: LinearMap = {
  inputs: 6,
  sums: [
    // 6 to 9: r
    [[2, 1], [0, -1]],
    [[3, 1], [1, -1]],
    [[4, 1], [2, -1]],
    [[5, 1], [3, -1]],
    // 10 to 13: q
    [[6, 1], [1, 1.5]],
    [[7, 1], [2, 1.5]],
    [[8, 1], [3, 1.5]],
    [[9, 1], [4, 1.5]],
    [[12, 1], [10, -1]],
    [[11, 1], [12, 1]],
    [[11, 1], [12, -1]],
    [[8, 1], [7, 2]],
    [[8, 1], [7, -0.5]],
    [[13, 1], [11, -1]],
  ],
  outputs: 6,
};
/** G: the filter at each point p, over the value of M(x)/(x − p) there. */
// biome-ignore format: a sum in a line
export const G: LinearMap = {
  inputs: 3,
  sums: [
    [[0, 1], [2, 1]],
    [[0, 1]],
    [[3, 1 / 3], [1, 1 / 3]],
    [[3, 1 / 3], [1, -1 / 3]],
    [[0, -16 / 15], [1, -8 / 15], [2, -4 / 15]],
    [[0, 1 / 15], [1, -2 / 15], [2, 4 / 15]],
    [[2, 1]],
  ],
  outputs: 6,
};
/** Aᵀ: the powers of the points. */
// biome-ignore format: a sum in a line
export const AT: LinearMap = {
  inputs: 6,
  sums: [
    [[1, 1], [2, 1]],
    [[1, 1], [2, -1]],
    [[0, 1], [6, 1], [3, 1], [4, 1]],
    [[7, 1], [3, 1 / 2], [4, -2]],
    [[6, 1], [3, 1 / 4], [4, 4]],
    [[7, 1], [3, 1 / 8], [4, -8], [5, 1]],
  ],
  outputs: 4,
};

/** Side of a tile after the transformation, and how many positions it has. */
const SIDE = 6;
const POSITIONS = SIDE * SIDE;
/** Output pixels of a tile's side. */
const STEP = 4;
/** Elements between positions beyond what they need: equal offsets of 36 streams would all fall into one set of the cache. */
const SKEW = 16;

/** Parts of a filter gradient that are computed side by side. */
const FILTER_GRAD_CHUNKS = 16;

/** Whether the transformations cost less than the multiplications they save. */
export function winogradPays(inputs: number, outputs: number, [height, width]: readonly [number, number]): boolean {
  return inputs >= 16 && outputs >= 16 && inputs % 8 === 0 && outputs % 8 === 0 && height % STEP === 0 && width % STEP === 0;
}

function tileTransform(x: Node, kernel: Omit<TileTransformKernel, "kind">, shape: readonly number[]): Node {
  return kernelNode("tile-transform", { kind: "tile-transform", ...kernel }, [x], shape);
}

/** How the tiles of an output are counted. */
interface Tiling {
  readonly images: number;
  readonly tileRows: number;
  readonly tileColumns: number;
}

function tilingOf(images: number, [height, width]: readonly [number, number]): Tiling {
  return { images, tileRows: height / STEP, tileColumns: width / STEP };
}

/** Tiles of a dense image [N, height, width, channels], a new one every four pixels. */
function imageTiles(height: number, width: number, channels: number): TileStrides {
  return { image: height * width * channels, tileRow: STEP * width * channels, tileColumn: STEP * channels, row: width * channels, column: channels };
}

/** Transformed tiles: for each position all tiles, for each tile all channels. */
function positionTiles({ tileRows, tileColumns }: Tiling, channels: number, position: number): TileStrides {
  return { image: tileRows * tileColumns * channels, tileRow: tileColumns * channels, tileColumn: channels, row: SIDE * position, column: position };
}

const tilesOf = ({ images, tileRows, tileColumns }: Tiling): number => images * tileRows * tileColumns;

/** Bᵀ d B of a padded image, or A d Aᵀ of a cotangent: [36, tiles · channels + skew]. */
function toPositions(x: Node, map: LinearMap, tiling: Tiling): Node {
  const channels = x.shape[3]!;
  const position = tilesOf(tiling) * channels + SKEW;
  const strides = { input: imageTiles(x.shape[1]!, x.shape[2]!, channels), output: positionTiles(tiling, channels, position) };
  return tileTransform(x, { map, ...tiling, channels, ...strides }, [POSITIONS, position]);
}

/** y[N, H, W, K] of a dense padded x[N, H+2, W+2, C] and a packed 3x3 filter, with stride 1. */
export function winogradConv(x: Node, filter: Node, outputs: number, size: readonly [number, number], target: Target): Node {
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
      input: { image: 9 * run, tileRow: 0, tileColumn: 0, row: 3 * run, column: run },
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
    return kernelNode("winograd-conv", kernel, [x, u], y.shape);
  }

  const tiles = tilesOf(tiling);
  const v = toPositions(x, BT, tiling);
  const product = tiles * outputs + SKEW;
  const kernel: ConvKernel = {
    kind: "conv",
    batch: POSITIONS,
    height: 1,
    width: tiles,
    channels: outputs,
    block,
    rows: 1,
    run: inputs,
    tapRow: 0,
    input: { offset: 0, image: v.shape[1]!, row: 0, pixel: inputs },
    output: { offset: 0, image: product, row: 0, pixel: outputs },
    filterImage: filterPosition,
  };
  const m = kernelNode("winograd-product", kernel, [v, u], [POSITIONS, product]);

  const strides = { input: positionTiles(tiling, outputs, product), output: y.strides };
  return tileTransform(m, { map: AT, ...tiling, channels: outputs, ...strides }, y.shape);
}

/** dw[3, 3, C, K] of a dense padded x[N, H+2, W+2, C] and dy[N, H, W, K]: the transpose of the convolution. */
export function winogradFilterGrad(x: Node, dy: Node, target: Target): Node {
  const [inputs, outputs] = [x.shape[3]!, dy.shape[3]!];
  const size = inputs * outputs;
  const { chunks, rowsOfChunk } = chunksOfRows(tilingOf(dy.shape[0]!, [dy.shape[1]!, dy.shape[2]!]));
  const fused = 4 * POSITIONS * size <= target.fusedFilterGradBytes && dy.shape[2]! <= STEP * WINOGRAD_GRADIENT_TILES && rowsOfChunk <= LONGEST_CONTRACTION;
  return tileTransform(
    fused ? fusedFilterGrad(x, dy, chunks) : filterGradInParts(x, dy),
    {
      map: transposed(G),
      images: inputs,
      tileRows: 1,
      tileColumns: 1,
      channels: outputs,
      input: { image: outputs, tileRow: 0, tileColumn: 0, row: SIDE * size, column: size },
      output: { image: outputs, tileRow: 0, tileColumn: 0, row: 3 * size, column: size },
    },
    [3, 3, inputs, outputs],
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
  return sum(kernelNode("winograd-filter-grad", kernel, [x, dy], [chunks, POSITIONS, inputs, outputs]), [0]);
}

/** The same with transformed tiles in memory. */
function filterGradInParts(x: Node, dy: Node): Node {
  const [images, height, width, outputs] = dy.shape as [number, number, number, number];
  const inputs = x.shape[3]!;
  const tiling = tilingOf(images, [height, width]);
  const v = toPositions(x, BT, tiling);
  const z = toPositions(dy, transposed(AT), tiling);
  const kernel: FilterGradKernel = {
    kind: "filter-grad",
    batch: POSITIONS,
    height: 1,
    width: tilesOf(tiling),
    channels: outputs,
    rows: 1,
    run: inputs,
    tapRow: 0,
    input: { offset: 0, image: v.shape[1]!, row: 0, pixel: inputs },
    cotangent: { offset: 0, image: z.shape[1]!, row: 0, pixel: outputs },
    // Each position is a sum of its own.
    chunks: POSITIONS,
  };
  return kernelNode("winograd-filter-product", kernel, [v, z], [POSITIONS, inputs, outputs]);
}
