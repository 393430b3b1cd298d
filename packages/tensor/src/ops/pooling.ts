/** @file What pooling is made of: its geometry, as the convolution of every channel by itself, and which element of a window is its maximum. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import type { Attributes } from "../ir/graph.ts";
import { type ConvGeometry, type Convolution, describe, type Pair } from "./convolution.ts";
import type { SampleInput, TensorType } from "./definition.ts";

/** How a window moves over an image. */
export interface PoolGeometry extends Pick<ConvGeometry, "stride" | "padding"> {
  /** Rows and columns of the window. */
  readonly window: Pair;
}

export function poolGeometryOf(attrs: Attributes): PoolGeometry {
  return attrs as unknown as PoolGeometry;
}

/** The descriptor of a pooling of an image [N, C, H, W]. */
export function poolingOf(x: Shape, { window, stride, padding }: PoolGeometry): Convolution {
  return describe(x, [x[1]!, 1, ...window], { stride, padding, dilation: [1, 1], groups: x[1]! });
}

/** Checks that an image can be pooled so; returns the result's shape. */
export function checkPooling(op: string, x: TensorType, geometry: PoolGeometry): number[] {
  const { window, stride, padding } = geometry;
  const [top, bottom, left, right] = padding;
  const show = `x ${formatShape(x.shape)}, window ${formatShape(window)}, stride ${formatShape(stride)}, padding [[${top}, ${bottom}], [${left}, ${right}]]`;
  if (x.dtype !== "float32") throw new DTypeError(`${op}: expected float32, got ${x.dtype}`);
  if (x.shape.length !== 4) throw new ShapeError(`${op}: expected x [N, C, H, W], got ${show}`);
  if ([...window, ...stride].some((n) => n < 1)) throw new ShapeError(`${op}: window and stride must be positive integers, got ${show}`);
  if (padding.some((n, side) => n < 0 || 2 * n > window[side >> 1]!)) {
    throw new ShapeError(`${op}: padding must be at least 0 and at most half the window, got ${show}`);
  }
  const { batch, outputs, size, result } = poolingOf(x.shape, geometry);
  if ([...size, ...result].some((extent) => extent < 1)) throw new ShapeError(`${op}: the window is larger than the padded input, got ${show}`);
  return [batch, outputs, ...result];
}

/** Visits every element x[xi] that is number `tap` of the window of y[yi], row by row. */
export function forEachElement({ batch, inputs, size, window, result, stride, low }: Convolution, visit: (xi: number, tap: number, yi: number) => void): void {
  for (let plane = 0; plane < batch * inputs; plane++)
    for (let oy = 0; oy < result[0]; oy++)
      for (let ox = 0; ox < result[1]; ox++)
        for (let r = 0; r < window[0]; r++)
          for (let s = 0; s < window[1]; s++) {
            const [iy, ix] = [oy * stride[0] + r - low[0], ox * stride[1] + s - low[1]];
            if (iy < 0 || iy >= size[0] || ix < 0 || ix >= size[1]) continue;
            visit((plane * size[0] + iy) * size[1] + ix, r * window[1] + s, (plane * result[0] + oy) * result[1] + ox);
          }
}

/** Samples of the operations of pooling: ties left out, since derivatives are compared with finite differences. */
export const POOL_CASES: readonly (PoolGeometry & { readonly x: Shape })[] = [
  { x: [2, 4, 8, 8], window: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] },
  { x: [1, 3, 6, 7], window: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] },
  { x: [2, 5, 5, 6], window: [3, 2], stride: [1, 3], padding: [1, 0, 0, 1] },
];

/** Some element of each window, those in the padding among them. */
export function sampleIndex(x: Shape, geometry: PoolGeometry): SampleInput {
  const { batch, outputs, result, window } = poolingOf(x, geometry);
  const shape = [batch, outputs, ...result];
  return { shape, dtype: "int32", data: Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7) % (window[0] * window[1])) };
}
