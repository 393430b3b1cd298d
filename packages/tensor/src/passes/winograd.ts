/** @file Winograd's convolution F(4x4, 3x3) as physical nodes (Winograd 1980; Lavin and Gray, CVPR 2016): Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A,
 * a quarter of the multiplications of the direct form. The interpolation points 0, 1, −1, 1/2, −2, ∞ lose less precision than
 * the usual ±1, ±2: the relative L2 error stays below 5e-6 in float32. */
import type { Node } from "../ir/graph.ts";
import type { ConvKernel, FilterGradKernel, TileStrides, TileTransformKernel } from "../ir/kernel.ts";
import { kernelNode } from "./physical.ts";

type Matrix = readonly (readonly number[])[];

const BT: Matrix = [
  [2, -3, -4, 3, 2, 0],
  [0, -2, 1, 5, 2, 0],
  [0, -2, 5, -1, -2, 0],
  [0, 32, 16, -32, -16, 0],
  [0, 1, -2, -1, 2, 0],
  [0, 2, -3, -4, 3, 2],
];
const G: Matrix = [
  [1 / 2, 0, 0],
  [1 / 6, 1 / 6, 1 / 6],
  [1 / 6, -1 / 6, 1 / 6],
  [1 / 15, 1 / 30, 1 / 60],
  [1 / 30, -1 / 15, 2 / 15],
  [0, 0, 1 / 2],
];
const AT: Matrix = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 1 / 2, -2, 0],
  [0, 1, 1, 1 / 4, 4, 0],
  [0, 1, -1, 1 / 8, -8, 1],
];

const transposed = (m: Matrix): Matrix => m[0]!.map((_, column) => m.map((row) => row[column]!));

/** Side of a tile after the transformation, and how many positions it has. */
const SIDE = 6;
const POSITIONS = SIDE * SIDE;
/** Output pixels of a tile's side. */
const STEP = 4;
/** Elements between positions beyond what they need: equal offsets of 36 streams would all fall into one set of the cache. */
const SKEW = 16;

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
function toPositions(x: Node, matrix: Matrix, tiling: Tiling): Node {
  const channels = x.shape[3]!;
  const position = tilesOf(tiling) * channels + SKEW;
  const strides = { input: imageTiles(x.shape[1]!, x.shape[2]!, channels), output: positionTiles(tiling, channels, position) };
  return tileTransform(x, { matrix, ...tiling, channels, ...strides }, [POSITIONS, position]);
}

/** y[N, H, W, K] of a dense padded x[N, H+2, W+2, C] and a packed 3x3 filter, with stride 1. */
export function winogradConv(x: Node, filter: Node, outputs: number, size: readonly [number, number]): Node {
  const [blocks, , , inputs, block] = filter.shape as [number, number, number, number, number];
  const tiling = tilingOf(x.shape[0]!, size);
  const tiles = tilesOf(tiling);
  const v = toPositions(x, BT, tiling);

  const filterPosition = outputs * inputs + SKEW;
  const run = inputs * block;
  const u = tileTransform(
    filter,
    {
      matrix: G,
      images: blocks,
      tileRows: 1,
      tileColumns: 1,
      channels: run,
      input: { image: 9 * run, tileRow: 0, tileColumn: 0, row: 3 * run, column: run },
      output: { image: run, tileRow: 0, tileColumn: 0, row: SIDE * filterPosition, column: filterPosition },
    },
    [POSITIONS, filterPosition],
  );

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

  const [height, width] = size;
  const strides = { input: positionTiles(tiling, outputs, product), output: imageTiles(height, width, outputs) };
  return tileTransform(m, { matrix: AT, ...tiling, channels: outputs, ...strides }, [tiling.images, height, width, outputs]);
}

/** dw[3, 3, C, K] of a dense padded x[N, H+2, W+2, C] and dy[N, H, W, K]: the transpose of the convolution. */
export function winogradFilterGrad(x: Node, dy: Node): Node {
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
  const size = inputs * outputs;
  const du = kernelNode("winograd-filter-product", kernel, [v, z], [POSITIONS, inputs, outputs]);
  return tileTransform(
    du,
    {
      matrix: transposed(G),
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
