/** @file Pooling with any padding: the compiler's takes at most half a window. */
import { avgPool2d, div, full, maxPool2d, pad, type Value } from "@gradalign/tensor";

/** How a window moves; pairs are [vertical, horizontal], paddings [[top, bottom], [left, right]]. */
export interface PoolWindow {
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [readonly [number, number], readonly [number, number]];
}

/** Below every float32 that a network computes, and finite. */
const LOWEST = -3.4028234663852886e38;

/** The largest element of each window, [N, C, OH, OW]; padding never counts. */
export function maxPool(x: Value, window: PoolWindow): Value {
  return pooled(x, window, LOWEST, maxPool2d);
}

/** The mean of each window: over all places, or, unless `countPadding`, over those inside the image. */
export function averagePool(x: Value, window: PoolWindow, countPadding: boolean): Value {
  const mean = pooled(x, window, 0, avgPool2d);
  if (countPadding || window.padding.flat().every((side) => side === 0)) return mean;
  const [, , height, width] = x.shape as [number, number, number, number];
  return div(mean, pooled(full([1, 1, height, width], 1), window, 0, avgPool2d));
}

function pooled(x: Value, { size, stride, padding }: PoolWindow, outside: number, pool: typeof maxPool2d): Value {
  if (padding.every((sides, axis) => sides.every((side) => 2 * side <= size[axis]!))) return pool(x, { kernel: size, stride, padding });
  return pool(pad(x, [[0, 0], [0, 0], ...padding], outside), { kernel: size, stride });
}
