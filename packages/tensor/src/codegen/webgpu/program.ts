/** @file From a kernel to its compute shader. Code generation is a pure function of the kernel and of which buffers share bindings. */
import { InvariantError } from "../../base/errors.ts";
import { checkExtents } from "../../ir/extents.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { convTiles, generateConv } from "./conv.ts";
import { filterGradTiles, generateFilterGrad } from "./filter-grad.ts";
import type { KernelCode } from "./kernel-code.ts";
import { generateLoop } from "./loop.ts";
import { type MatrixUnit, matrixTiles } from "./matrix-tile.ts";
import type { BufferBinding } from "./memory.ts";
import type { AnyTile } from "./multiplier.ts";
import { generateRandom } from "./random.ts";
import { generateScatter } from "./scatter.ts";
import { type Factor, TILES } from "./tile.ts";
import { generateTileTransform } from "./tile-transform.ts";

export type { KernelCode } from "./kernel-code.ts";
export type { MatrixUnit } from "./matrix-tile.ts";
export type { BufferBinding } from "./memory.ts";
export { type AnyTile, isMatrixTile } from "./multiplier.ts";
export type { Factor } from "./tile.ts";

/** How a kernel is computed. */
interface Variant {
  /** The most promising tile unless given. */
  readonly tile?: AnyTile | undefined;
  /** In what operands are multiplied; f32 unless given. */
  readonly factor?: Factor | undefined;
  /** Invocations of every subgroup, where reductions may use them. */
  readonly subgroup?: number | undefined;
}

/** Tiles that a contraction may use, the most promising first; none for other kernels. */
export function tilesOf(kernel: Kernel): readonly AnyTile[] {
  return ranked(kernel, TILES);
}

/** The same for tensor cores. */
export function matrixTilesOf(kernel: Kernel, unit: MatrixUnit): readonly AnyTile[] {
  return ranked(kernel, matrixTiles(unit));
}

function ranked<T extends AnyTile>(kernel: Kernel, tiles: readonly T[]): readonly T[] {
  if (kernel.kind === "conv") return convTiles(kernel, tiles);
  return kernel.kind === "filter-grad" ? filterGradTiles(kernel, tiles) : [];
}

/** The shader of a kernel whose buffer i is found at `places[i]`. */
export function generateKernel(kernel: Kernel, places: readonly BufferBinding[], { tile, factor, subgroup }: Variant = {}): KernelCode {
  checkExtents(kernel);
  switch (kernel.kind) {
    case "loop":
      return generateLoop(kernel, places, subgroup);
    case "conv":
      return generateConv(kernel, places, tile, factor);
    case "filter-grad":
      return generateFilterGrad(kernel, places, tile, factor);
    case "tile-transform":
      return generateTileTransform(kernel, places);
    case "random":
      return generateRandom(kernel, places);
    case "scatter-add":
      return generateScatter(kernel, places);
    case "planar-conv":
    case "planar-filter-grad":
    case "winograd-conv":
    case "winograd-filter-grad":
      throw new InvariantError(`webgpu: ${kernel.kind} is a kernel for CPUs`);
  }
}
