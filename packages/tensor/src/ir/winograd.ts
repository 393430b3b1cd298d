/** @file Winograd's convolution F(4x4, 3x3) (Winograd 1980; Lavin and Gray, CVPR 2016): Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, a quarter of the
 * multiplications of the direct form. Its linear maps, and the sizes that follow from them. The interpolation points 0, 1, −1, 1/2, −2, ∞ lose
 * less precision than the usual ±1, ±2: the relative L2 error stays below 5e-6 in float32. */
import type { ConvKernel, FilterGradKernel } from "./kernel.ts";
import type { LinearMap } from "./linear-map.ts";

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

/** Side of the window. */
export const WINDOW = G.inputs;
/** Side of a tile after the transformation, and how many positions it has. */
export const SIDE = BT.outputs;
export const POSITIONS = SIDE * SIDE;
/** Output pixels of a tile's side. */
export const STEP = AT.outputs;
/** Elements between positions beyond what they need: equal offsets of 36 streams would all fall into one set of the cache. */
export const SKEW = 16;
/** Tiles of a row, at most, in a filter gradient of one kernel: it sums over a row in registers. */
export const GRADIENT_TILES = 64;
/** Bytes of transformed tiles that a thread keeps at a time, about; more only where so few tiles would not pay for reading the filter. */
export const TILE_BYTES = 320 << 10;
const LEAST_TILES = 8;

interface Channels {
  readonly inputs: number;
  readonly outputs: number;
}

/** How the tiles of an output are counted. */
export interface Tiling {
  readonly images: number;
  readonly tileRows: number;
  readonly tileColumns: number;
}

/** Tiles that a convolution transforms, multiplies and transforms back at a time, about. */
export function tilesAtATime({ inputs, outputs }: Channels): number {
  return Math.max(LEAST_TILES, TILE_BYTES / (4 * POSITIONS * (inputs + outputs)));
}

/** The products of all positions: tiles [tiles, inputs] times a filter [inputs, outputs] each, with so many elements from one position's to the next's. */
export function tileProducts(
  { inputs, outputs, block }: Channels & Pick<ConvKernel, "block">,
  tiles: number,
  positions: { readonly input: number; readonly filter: number; readonly output: number },
): ConvKernel {
  return {
    kind: "conv",
    batch: 1,
    height: 1,
    width: tiles,
    channels: outputs,
    block,
    rows: 1,
    run: inputs,
    tapRow: 0,
    input: { offset: 0, image: 0, row: 0, pixel: inputs },
    output: { offset: 0, image: 0, row: 0, pixel: outputs },
    groups: { count: POSITIONS, ...positions },
  };
}

/** The products' gradients with respect to their filters, sums over the tiles: each position is a chunk. */
export function tileFilterGradients(
  { inputs, outputs }: Channels,
  tiles: number,
  positions: { readonly input: number; readonly cotangent: number },
): FilterGradKernel {
  return {
    kind: "filter-grad",
    batch: POSITIONS,
    height: 1,
    width: tiles,
    channels: outputs,
    rows: 1,
    run: inputs,
    tapRow: 0,
    input: { offset: 0, image: positions.input, row: 0, pixel: inputs },
    cotangent: { offset: 0, image: positions.cotangent, row: 0, pixel: outputs },
    chunks: POSITIONS,
  };
}
