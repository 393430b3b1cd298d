/** @file The pixels of an image batch as the fewest dimensions, for kernels that walk two buffers at once, and how they are cut. */
import type { ImageStrides } from "../../ir/kernel.ts";

/** One dimension of the walk; strides in bytes. */
export interface PixelDimension {
  readonly extent: number;
  readonly first: number;
  readonly second: number;
}

/** Batch, height and width of two buffers, outermost first: extents of 1 are dropped, dimensions that continue each other in both
 * buffers are merged. At least one dimension remains. */
export function pixelDimensions(extents: readonly [number, number, number], first: ImageStrides, second: ImageStrides): PixelDimension[] {
  const [batch, height, width] = extents;
  const all: PixelDimension[] = [
    { extent: batch, first: 4 * first.image, second: 4 * second.image },
    { extent: height, first: 4 * first.row, second: 4 * second.row },
    { extent: width, first: 4 * first.pixel, second: 4 * second.pixel },
  ];
  const merged: PixelDimension[] = [];
  for (const dimension of all) {
    if (dimension.extent === 1) continue;
    const outer = merged.at(-1);
    if (outer && outer.first === dimension.extent * dimension.first && outer.second === dimension.extent * dimension.second) {
      merged[merged.length - 1] = { ...dimension, extent: outer.extent * dimension.extent };
    } else merged.push(dimension);
  }
  return merged.length > 0 ? merged : [{ extent: 1, first: 0, second: 0 }];
}

/** The smallest part size that cuts `extent` into as few parts of at most `limit` as possible. */
export function evenPart(extent: number, limit: number): number {
  return Math.ceil(extent / Math.ceil(extent / limit));
}
