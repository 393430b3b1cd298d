/** @file What the three convolution operations share: geometry, its checks, and the loop that gives all three their meaning. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, type Shape } from "../base/shape.ts";
import type { Attributes } from "../ir/graph.ts";
import type { ConvGeometry } from "./build.ts";
import type { TensorType } from "./definition.ts";

export function geometryOf(attrs: Attributes): ConvGeometry {
  return attrs as unknown as ConvGeometry;
}

/** Output extent of a window of `filter` over `input` elements padded on both sides. */
export function convExtent(input: number, filter: number, stride: number, padding: number): number {
  return Math.floor((input + 2 * padding - filter) / stride) + 1;
}

/** Checks that x[N,C,H,W], w[K,C,R,S] and y[N,K,OH,OW] belong together; returns y's shape. */
export function checkConv(op: string, x: Shape, w: Shape, { stride, padding }: ConvGeometry, y?: Shape): number[] {
  const show = `x ${formatShape(x)}, filter ${formatShape(w)}, stride [${stride.join(", ")}], padding [${padding.join(", ")}]`;
  if (x.length !== 4 || w.length !== 4) throw new ShapeError(`${op}: expected x [N, C, H, W] and filter [K, C, R, S], got ${show}`);
  if (x[1] !== w[1]) throw new ShapeError(`${op}: x has ${x[1]} channels but the filter expects ${w[1]}; got ${show}`);
  if (stride.length !== 2 || padding.length !== 2) throw new ShapeError(`${op}: stride and padding are one number or [vertical, horizontal], got ${show}`);
  if (stride.some((s) => s < 1) || padding.some((p) => p < 0)) {
    throw new ShapeError(`${op}: stride must be positive and padding non-negative integers, got ${show}`);
  }
  const shape = [x[0]!, w[0]!, convExtent(x[2]!, w[2]!, stride[0], padding[0]), convExtent(x[3]!, w[3]!, stride[1], padding[1])];
  if (shape[2]! < 1 || shape[3]! < 1) throw new ShapeError(`${op}: the filter is larger than the padded input, got ${show}`);
  if (y?.some((extent, axis) => extent !== shape[axis]))
    throw new ShapeError(`${op}: cotangent must be ${formatShape(shape)}, got ${formatShape(y)} for ${show}`);
  return shape;
}

export function checkFloat(op: string, inputs: readonly TensorType[]): void {
  for (const { dtype } of inputs) if (dtype !== "float32") throw new DTypeError(`${op}: expected float32, got ${dtype}`);
}

/** Visits every product x[xi]·w[wi] that contributes to y[yi]. */
export function forEachTerm(x: Shape, w: Shape, y: Shape, { stride, padding }: ConvGeometry, visit: (xi: number, wi: number, yi: number) => void): void {
  const [batch, channels, height, width] = x as [number, number, number, number];
  const [filters, , rows, columns] = w as [number, number, number, number];
  const [, , outHeight, outWidth] = y as [number, number, number, number];
  for (let n = 0; n < batch; n++)
    for (let k = 0; k < filters; k++)
      for (let oy = 0; oy < outHeight; oy++)
        for (let ox = 0; ox < outWidth; ox++) {
          const yi = ((n * filters + k) * outHeight + oy) * outWidth + ox;
          for (let c = 0; c < channels; c++)
            for (let r = 0; r < rows; r++) {
              const iy = oy * stride[0] + r - padding[0];
              if (iy < 0 || iy >= height) continue;
              for (let s = 0; s < columns; s++) {
                const ix = ox * stride[1] + s - padding[1];
                if (ix >= 0 && ix < width) visit(((n * channels + c) * height + iy) * width + ix, ((k * channels + c) * rows + r) * columns + s, yi);
              }
            }
        }
}

/** Geometries for the conformance tests: stride, padding, filter size, odd sizes, channel counts around 4 and 8. */
export const CONV_CASES: readonly { x: Shape; w: Shape; stride: [number, number]; padding: [number, number] }[] = [
  { x: [2, 3, 8, 8], w: [4, 3, 3, 3], stride: [1, 1], padding: [1, 1] },
  { x: [1, 8, 6, 7], w: [16, 8, 3, 3], stride: [1, 1], padding: [1, 1] },
  { x: [2, 4, 8, 8], w: [8, 4, 3, 3], stride: [2, 2], padding: [1, 1] },
  { x: [2, 4, 8, 8], w: [8, 4, 1, 1], stride: [2, 2], padding: [0, 0] },
  { x: [1, 5, 9, 7], w: [3, 5, 3, 2], stride: [2, 1], padding: [1, 0] },
  { x: [2, 2, 7, 7], w: [5, 2, 5, 5], stride: [1, 1], padding: [2, 2] },
  { x: [1, 3, 7, 9], w: [6, 3, 1, 1], stride: [1, 1], padding: [0, 0] },
  { x: [1, 2, 10, 10], w: [4, 2, 3, 3], stride: [3, 3], padding: [2, 2] },
  { x: [3, 16, 4, 4], w: [12, 16, 3, 3], stride: [1, 1], padding: [1, 1] },
  { x: [2, 16, 8, 12], w: [24, 16, 3, 3], stride: [1, 1], padding: [1, 1] },
  { x: [1, 24, 6, 6], w: [16, 24, 3, 3], stride: [1, 1], padding: [0, 0] },
];
