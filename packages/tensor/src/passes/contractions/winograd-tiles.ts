/** @file What Winograd's convolution and its filter gradient share: when they fit, what they cost, and where their tiles are. */
import type { Node } from "../../ir/graph.ts";
import type { TileStrides, TileTransformKernel } from "../../ir/kernel.ts";
import type { LinearMap } from "../../ir/linear-map.ts";
import type { Target } from "../../ir/target.ts";
import { POSITIONS, SIDE, SKEW, STEP, type Tiling, WINDOW } from "../../ir/winograd.ts";
import type { Convolution, Pair } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { isPlain, resultPixels, tileSteps } from "./contraction.ts";

/** Channels on either side below which the transformations cost more than the multiplications they save. */
const LEAST_CHANNELS = 16;
/** Channels are transformed in vectors of up to eight. */
const LANES = 8;
/** Instructions of a tile's transformation, per pixel of the tile and channel: a dozen passes of some fourteen sums. */
const TRANSFORM_STEPS = 11;

/** Whether a convolution can be done on tiles. */
export function fitsTiles(shape: Convolution, { winograd }: Target): boolean {
  const fits = winograd && isPlain(shape) && shape.window.every((extent) => extent === WINDOW) && shape.result.every((extent) => extent % STEP === 0);
  return fits && [shape.inputs, shape.outputs].every((channels) => channels >= LEAST_CHANNELS && channels % LANES === 0);
}

/** Products of tiles, and the transformations of both images. */
export function tileCost(shape: Convolution): number {
  const { inputs, outputs } = shape;
  return resultPixels(shape) * ((POSITIONS / STEP ** 2) * inputs * tileSteps(outputs) + (TRANSFORM_STEPS * (inputs + outputs)) / 4);
}

export function tileTransform(x: Node, kernel: Omit<TileTransformKernel, "kind">, shape: readonly number[]): Node {
  return kernelNode({ kind: "tile-transform", ...kernel }, [x], shape);
}

export function tilingOf(images: number, [height, width]: Pair): Tiling {
  return { images, tileRows: height / STEP, tileColumns: width / STEP };
}

/** Tiles of a dense image [N, height, width, channels], a new one every four pixels. */
export function imageTiles(height: number, width: number, channels: number): TileStrides {
  return { image: height * width * channels, tileRow: STEP * width * channels, tileColumn: STEP * channels, row: width * channels, column: channels };
}

/** Transformed tiles: for each position all tiles, for each tile all channels. */
export function positionTiles({ tileRows, tileColumns }: Tiling, channels: number, position: number): TileStrides {
  return { image: tileRows * tileColumns * channels, tileRow: tileColumns * channels, tileColumn: channels, row: SIDE * position, column: position };
}

export const tilesOf = ({ images, tileRows, tileColumns }: Tiling): number => images * tileRows * tileColumns;

/** Bᵀ d B of a padded image, or A d Aᵀ of a cotangent: [36, tiles · channels + skew]. */
export function toPositions(x: Node, map: LinearMap, tiling: Tiling): Node {
  const channels = x.shape[3]!;
  const position = tilesOf(tiling) * channels + SKEW;
  const strides = { input: imageTiles(x.shape[1]!, x.shape[2]!, channels), output: positionTiles(tiling, channels, position) };
  return tileTransform(x, { map, ...tiling, channels, ...strides }, [POSITIONS, position]);
}
