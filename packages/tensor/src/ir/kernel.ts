/** @file Kernel IR: what a backend's code generator gets. A kernel names its buffers by position; addresses are the runtime's
 * business. Most kernels are for every target; planar and fused Winograd kernels are planned for CPUs only. */
import type { DType } from "../base/dtype.ts";
import type { LinearMap } from "./linear-map.ts";
import type { Affine, Expr } from "./scalar.ts";

export type Combine = "sum" | "max" | "min";

/** One tensor written by a loop kernel. */
export interface LoopOutput {
  readonly buffer: number;
  readonly dtype: DType;
  /** Where the element goes; strides of reduced loops are 0. */
  readonly at: Affine;
  readonly value: Expr;
}

/** A perfect loop nest, outermost first, innermost last. The last `reduced` loops combine values, the others are independent.
 * Elements are computed in a fixed order, so results do not depend on how the independent loops are shared out. */
export interface LoopKernel {
  readonly kind: "loop";
  readonly extents: readonly number[];
  readonly reduced: number;
  readonly combine?: Combine;
  readonly outputs: readonly LoopOutput[];
}

/** Strides in elements of an image batch: address = offset + image·b + row·y + pixel·x. */
export interface ImageStrides {
  readonly offset: number;
  readonly image: number;
  readonly row: number;
  readonly pixel: number;
}

/** The better block of channels for contractions with this many of them: eight lanes, unless four (with taller register tiles)
 * waste less. */
export function channelBlock(channels: number): 4 | 8 {
  return Math.ceil(channels / 4) * 4 < Math.ceil(channels / 8) * 7 ? 4 : 8;
}

/** The block in which a packed filter stores its output channels: twelve where that is all of them, sixteen where registers are
 * wide (eight elements) and it divides them, else {@link channelBlock}. */
export function filterBlock(channels: number, wide = false): 4 | 8 | 12 | 16 {
  if (wide && channels % 16 === 0) return 16;
  return channels > 8 && channels <= 12 ? 12 : channelBlock(channels);
}

/** Columns of a window row that do not continue each other: so many, with so many elements from one to the next. */
interface WindowColumns {
  readonly count: number;
  readonly step: number;
}

/** Dense contraction of image windows with a packed filter (convolution, its input gradient, matrix product):
 * out[b,y,x,k] = Σ_r Σ_s Σ_i in[input(b,y,x) + tapRow·r + step·s + i] · filter[⌊k/block⌋][r][s][i][k mod block].
 * A window row (filter width × channels) is one contiguous run of the input, unless it has `columns` apart; padding has been made explicit before. */
export interface ConvKernel {
  readonly kind: "conv";
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** k: output channels. */
  readonly channels: number;
  /** Channels are stored in blocks of this many (4, 8, 12 or 16); the last block is zero-padded. */
  readonly block: number;
  /** Filter rows. */
  readonly rows: number;
  /** Contiguous length of a window row, or of each of its columns. */
  readonly run: number;
  readonly columns?: WindowColumns;
  readonly tapRow: number;
  /** Steps of the window over the input. */
  readonly input: ImageStrides;
  readonly output: ImageStrides;
  /** Convolutions of the same shape, each with a filter of its own: elements from one to the next in each buffer. */
  readonly groups?: { readonly count: number; readonly input: number; readonly filter: number; readonly output: number };
  /** Buffers: 0 input, 1 packed filter, 2 output. Channels of the output are contiguous. */
}

/** Gradient of a convolution with respect to its filter (and the product Aᵀ·B):
 * out[chunk][group][r][s][i][k] = Σ over the chunk's images b and all y, x of in[input(b,y,x) + tapRow·r + step·s + i] · cotangent[cotangent(b,y,x) + k],
 * each group from places of its own. */
export interface FilterGradKernel {
  readonly kind: "filter-grad";
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly rows: number;
  readonly run: number;
  readonly columns?: WindowColumns;
  readonly tapRow: number;
  readonly input: ImageStrides;
  readonly cotangent: ImageStrides;
  /** Elements from one group to the next. */
  readonly groups?: { readonly count: number; readonly input: number; readonly cotangent: number };
  /** The batch is split into this many equal parts, each with its own partial sum (divides `batch`). */
  readonly chunks: number;
  /** Buffers: 0 input, 1 cotangent, 2 output. */
}

/** Elements of a window. */
export function windowSize({ rows, columns, run }: Pick<ConvKernel, "rows" | "columns" | "run">): number {
  return rows * (columns?.count ?? 1) * run;
}

/** A stride-1 convolution of planar images: x is dense [batch, inputs, height + rows - 1, width + columns - 1] with its padding made
 * explicit, y is dense [batch, channels, height, width], both with neighbouring pixels next to each other. */
export interface PlanarShape {
  readonly batch: number;
  /** Channels of y. */
  readonly channels: number;
  /** Channels of x. */
  readonly inputs: number;
  /** Size of y. */
  readonly height: number;
  readonly width: number;
  /** Size of the filter. */
  readonly rows: number;
  readonly columns: number;
}

/** y[b,k,i,j] = Σ_c Σ_r Σ_s x[b,c,i+r,j+s] · filter[c][r][s][k], summed in this order. Buffers: 0 x, 1 filter, 2 y. */
export interface PlanarConvKernel extends PlanarShape {
  readonly kind: "planar-conv";
}

/** out[chunk][k][c][r][s] = Σ over the chunk's images b and all i, j of x[b,c,i+r,j+s] · dy[b,k,i,j]. The sum is kept as four, one for
 * every column j modulo 4, which are added last. Buffers: 0 x, 1 dy, 2 out. */
export interface PlanarFilterGradKernel extends PlanarShape {
  readonly kind: "planar-filter-grad";
  /** The batch is split into this many equal parts, each with its own partial sum (divides `batch`). */
  readonly chunks: number;
}

/** Where the elements of square tiles are, in elements: offset + image·n + tileRow·y + tileColumn·x + row·i + column·j + channel. */
export interface TileStrides {
  readonly image: number;
  readonly tileRow: number;
  readonly tileColumn: number;
  readonly row: number;
  readonly column: number;
}

/** A linear transformation of square tiles from both sides, for each channel: the map goes over the columns, then over the rows.
 * Winograd's convolutions are such transformations around a batch of matrix products. Buffers: 0 input, 1 output. */
export interface TileTransformKernel {
  readonly kind: "tile-transform";
  readonly map: LinearMap;
  readonly images: number;
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Contiguous in both buffers, a multiple of 4. */
  readonly channels: number;
  readonly input: TileStrides;
  readonly output: TileStrides;
}

/** Winograd's convolution whole: y = after · [(before · x · beforeᵀ) ⊙ filter] · afterᵀ on tiles, summed over the input channels.
 * Buffers: 0 x, 1 transformed filter [position][⌊k/block⌋][input channel][k mod block], 2 y. */
export interface WinogradConvKernel {
  readonly kind: "winograd-conv";
  readonly before: LinearMap;
  readonly after: LinearMap;
  readonly images: number;
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Input and output channels. */
  readonly inputs: number;
  readonly outputs: number;
  /** Output channels of the filter are stored in blocks of this many, which divides them. */
  readonly block: number;
  readonly input: TileStrides;
  readonly output: TileStrides;
  /** Elements from one position's filter to the next one's. */
  readonly filterPosition: number;
}

/** The gradient of Winograd's convolution with respect to the transformed filter: out[chunk][position] = Σ over the chunk's tiles of
 * (before · x · beforeᵀ) ⊗ (beforeCotangent · dy · beforeCotangentᵀ), [inputs, outputs] each. Buffers: 0 x, 1 dy, 2 out. */
export interface WinogradFilterGradKernel {
  readonly kind: "winograd-filter-grad";
  readonly before: LinearMap;
  readonly beforeCotangent: LinearMap;
  readonly images: number;
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Channels of x and of dy. */
  readonly inputs: number;
  readonly outputs: number;
  readonly input: TileStrides;
  readonly cotangent: TileStrides;
  /** The rows of tiles, counted through all images, are split into this many equal parts (divides them). */
  readonly chunks: number;
}

/** out[k, i] = word i mod 4 of Philox-4x32-10 at counter (⌊i/4⌋, stream, 0, 0) under key k. Buffers: 0 keys int32[keys, 2], 1 stream int32[], 2 output. */
export interface RandomKernel {
  readonly kind: "random";
  /** One unless set. */
  readonly keys?: number;
  /** Words under each key. */
  readonly count: number;
}

/** out = base; then out[Σ indices[d][i]·strides[d] + slice] += updates[i][slice] for i in order; indices are clipped.
 * Buffers: 0 updates, 1.. indices, where `wide` the sums in float64, last: output. */
export interface ScatterKernel {
  readonly kind: "scatter-add";
  /** Number of index tuples. */
  readonly count: number;
  /** Contiguous elements per update. */
  readonly slice: number;
  /** Elements of the output. */
  readonly size: number;
  readonly extents: readonly number[];
  readonly strides: readonly number[];
  /** The sums are kept in a buffer of float64 until all are complete. */
  readonly wide: boolean;
}

export type Kernel =
  | LoopKernel
  | ConvKernel
  | FilterGradKernel
  | PlanarConvKernel
  | PlanarFilterGradKernel
  | TileTransformKernel
  | WinogradConvKernel
  | WinogradFilterGradKernel
  | RandomKernel
  | ScatterKernel;
