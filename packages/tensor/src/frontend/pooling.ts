/** @file Pooling of images [N, C, H, W]. */
import * as build from "../ops/build.ts";
import { checkPooling, type PoolGeometry } from "../ops/pooling.ts";
import { type Both, type ConvOptions, pair, sides } from "./convolution.ts";
import type { Value } from "./tensor.ts";

/** How a pooling's window moves over the image. */
export interface PoolOptions {
  /** Size of the window. */
  readonly kernel: Both;
  /** Step of the window; its size by default. */
  readonly stride?: Both;
  /** Around the image, none by default; at most half the window. */
  readonly padding?: NonNullable<ConvOptions["padding"]>;
}

function geometry(op: string, { kernel, stride = kernel, padding = 0 }: PoolOptions): PoolGeometry {
  return { window: pair(op, "kernel", kernel), stride: pair(op, "stride", stride), padding: sides(op, padding) };
}

/** The largest element of each window, [N, C, OH, OW]; NaN if there is one. Of equal ones the first, row by row, has the derivative. */
export function maxPool2d(x: Value, options: PoolOptions): Value {
  return build.maxPool2d(x, geometry("maxPool2d", options));
}

/** The mean of each window, [N, C, OH, OW]. Padding counts as zeros. */
export function avgPool2d(x: Value, options: PoolOptions): Value {
  const { window, stride, padding } = geometry("avgPool2d", options);
  checkPooling("avgPool2d", x, { window, stride, padding });
  const channels = x.shape[1]!;
  const filter = build.full([channels, 1, ...window], 1 / (window[0] * window[1]));
  return build.conv2d(x, filter, { stride, padding, dilation: [1, 1], groups: channels });
}
