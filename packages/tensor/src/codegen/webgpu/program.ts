/** @file From a kernel to its compute shader. Code generation is a pure function of the kernel and of which buffers share bindings. */
import { InvariantError } from "../../base/errors.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { convTiles, generateConv } from "./conv.ts";
import { filterGradTiles, generateFilterGrad } from "./filter-grad.ts";
import type { KernelCode } from "./kernel-code.ts";
import { generateLoop } from "./loop.ts";
import type { BufferBinding } from "./memory.ts";
import { generateRandom } from "./random.ts";
import { generateScatter } from "./scatter.ts";
import type { Factor, Tile } from "./tile.ts";
import { generateTileTransform } from "./tile-transform.ts";

export type { KernelCode } from "./kernel-code.ts";
export type { BufferBinding } from "./memory.ts";
export type { Factor, Tile } from "./tile.ts";

/** How a kernel is computed. */
export interface Variant {
  /** The most promising tile unless given. */
  readonly tile?: Tile | undefined;
  /** In what operands are multiplied; f32 unless given. */
  readonly factor?: Factor | undefined;
  /** Invocations of every subgroup, where reductions may use them. */
  readonly subgroup?: number | undefined;
}

/** Tiles that a contraction may use, the most promising first; none for other kernels. */
export function tilesOf(kernel: Kernel): readonly Tile[] {
  if (kernel.kind === "conv") return convTiles(kernel);
  return kernel.kind === "filter-grad" ? filterGradTiles(kernel) : [];
}

/** The shader of a kernel whose buffer i is found at `places[i]`. A kernel without elements has no workgroups and no code. */
export function generateKernel(kernel: Kernel, places: readonly BufferBinding[], { tile, factor, subgroup }: Variant = {}): KernelCode {
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
      throw new InvariantError(`webgpu: ${kernel.kind} is a kernel for vector lanes`);
  }
}
