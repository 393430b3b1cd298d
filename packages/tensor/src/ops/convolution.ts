/** @file The descriptor of a convolution, shared by the three operations of the family and by every way of computing them: its numbers, their
 * checks, and the loop that gives all three operations their meaning. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, type Shape } from "../base/shape.ts";
import type { Attributes, Node } from "../ir/graph.ts";
import type { TensorType } from "./definition.ts";

/** Of rows and of columns. */
export type Pair = readonly [vertical: number, horizontal: number];

/** How a window moves over an image: the attributes of the three operations. */
export interface ConvGeometry {
  readonly stride: Pair;
  /** Zeros around the image: rows above and below, columns left and right. */
  readonly padding: readonly [top: number, bottom: number, left: number, right: number];
  /** Distance of the window's neighbouring elements. */
  readonly dilation: Pair;
  /** The channels are cut into so many groups, which see nothing of each other. */
  readonly groups: number;
}

/** y[N, K, OH, OW] of x[N, C, H, W] with filters w[K, C / groups, R, S]:
 * y[n, k, i, j] = Σ_{c, r, s} x[n, g·C/groups + c, i·stride − padding + r·dilation, …] · w[k, c, r, s], g being k's group. */
export interface Convolution {
  readonly batch: number;
  /** C, of all groups together. */
  readonly inputs: number;
  /** K, of all groups together. */
  readonly outputs: number;
  readonly groups: number;
  /** H and W. */
  readonly size: Pair;
  /** R and S. */
  readonly window: Pair;
  /** OH and OW. */
  readonly result: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  /** Zeros before the first row and column, and after the last. */
  readonly low: Pair;
  readonly high: Pair;
}

export function geometryOf(attrs: Attributes): ConvGeometry {
  return attrs as unknown as ConvGeometry;
}

/** The descriptor of an operation of the family: whichever of x, w and y it computes, the convolution is the same. */
export function convolutionOf({ op, inputs, attrs, shape }: Node): Convolution {
  const [first, second] = [inputs[0]!.shape, inputs[1]!.shape];
  const geometry = geometryOf(attrs);
  if (op === "conv2d") return describe(first, second, geometry);
  return op === "conv2d-input-grad" ? describe(shape, second, geometry) : describe(first, shape, geometry);
}

/** Checks that x[N, C, H, W], w[K, C / groups, R, S] and y[N, K, OH, OW] belong together; returns y's shape. */
export function checkConvolution(op: string, x: Shape, w: Shape, geometry: ConvGeometry, y?: Shape): number[] {
  const { stride, dilation, groups } = geometry;
  const show = showConvolution(x, w, geometry);
  if (x.length !== 4 || w.length !== 4) throw new ShapeError(`${op}: expected x [N, C, H, W] and filter [K, C, R, S], got ${show}`);
  if (stride.some((s) => s < 1) || geometry.padding.some((p) => p < 0)) {
    throw new ShapeError(`${op}: stride must be positive and padding non-negative integers, got ${show}`);
  }
  if (dilation.some((d) => d < 1) || groups < 1) throw new ShapeError(`${op}: dilation and groups must be positive integers, got ${show}`);
  if (groups > 1 && (x[1]! % groups !== 0 || w[0]! % groups !== 0)) {
    throw new ShapeError(`${op}: groups must divide the channels of x (${x[1]}) and the filters (${w[0]}); got ${show}`);
  }
  if (x[1] !== w[1]! * groups) {
    const expected = groups === 1 ? `${w[1]}` : `${w[1]} in each of ${groups} groups`;
    throw new ShapeError(`${op}: x has ${x[1]} channels but the filter expects ${expected}; got ${show}`);
  }
  const { batch, outputs, result } = describe(x, w, geometry);
  if (result[0] < 1 || result[1] < 1) throw new ShapeError(`${op}: the filter is larger than the padded input, got ${show}`);
  const shape = [batch, outputs, ...result];
  if (y && (y.length !== 4 || y.some((extent, axis) => extent !== shape[axis])))
    throw new ShapeError(`${op}: cotangent must be ${formatShape(shape)}, got ${formatShape(y)} for ${show}`);
  return shape;
}

export function checkFloat(op: string, inputs: readonly TensorType[]): void {
  for (const { dtype } of inputs) if (dtype !== "float32") throw new DTypeError(`${op}: expected float32, got ${dtype}`);
}

/** Extent of a window's elements, the gaps between them included. */
export function windowExtent(window: number, dilation: number): number {
  return (window - 1) * dilation + 1;
}

/** The descriptor by the shapes of x and w. */
export function describe(x: Shape, w: Shape, { stride, padding: [top, bottom, left, right], dilation, groups }: ConvGeometry): Convolution {
  const [batch, inputs, height, width] = x as [number, number, number, number];
  const [outputs, , rows, columns] = w as [number, number, number, number];
  const extent = (size: number, window: number, step: number, gap: number): number => Math.floor((size - windowExtent(window, gap)) / step) + 1;
  return {
    batch,
    inputs,
    outputs,
    groups,
    size: [height, width],
    window: [rows, columns],
    result: [extent(height + top + bottom, rows, stride[0], dilation[0]), extent(width + left + right, columns, stride[1], dilation[1])],
    stride,
    dilation,
    low: [top, left],
    high: [bottom, right],
  };
}

/** What is as usual is not mentioned. */
function showConvolution(x: Shape, w: Shape, { stride, padding: [top, bottom, left, right], dilation, groups }: ConvGeometry): string {
  const list = (numbers: readonly number[]): string => `[${numbers.join(", ")}]`;
  const padding = top === bottom && left === right ? list([top, left]) : `[${list([top, bottom])}, ${list([left, right])}]`;
  const rest = [dilation.some((d) => d !== 1) ? `, dilation ${list(dilation)}` : "", groups !== 1 ? `, groups ${groups}` : ""];
  return `x ${formatShape(x)}, filter ${formatShape(w)}, stride ${list(stride)}, padding ${padding}${rest.join("")}`;
}

/** Visits every product x[xi]·w[wi] that contributes to y[yi]. */
export function forEachTerm(convolution: Convolution, visit: (xi: number, wi: number, yi: number) => void): void {
  const { batch, inputs, outputs, groups, size, window, result, stride, dilation, low } = convolution;
  const [height, width] = size;
  const [rows, columns] = window;
  const channels = inputs / groups;
  for (let n = 0; n < batch; n++)
    for (let k = 0; k < outputs; k++) {
      const firstChannel = n * inputs + Math.floor((k * groups) / outputs) * channels;
      for (let oy = 0; oy < result[0]; oy++)
        for (let ox = 0; ox < result[1]; ox++) {
          const yi = ((n * outputs + k) * result[0] + oy) * result[1] + ox;
          for (let c = 0; c < channels; c++)
            for (let r = 0; r < rows; r++) {
              const iy = oy * stride[0] + r * dilation[0] - low[0];
              if (iy < 0 || iy >= height) continue;
              for (let s = 0; s < columns; s++) {
                const ix = ox * stride[1] + s * dilation[1] - low[1];
                if (ix >= 0 && ix < width) visit(((firstChannel + c) * height + iy) * width + ix, ((k * channels + c) * rows + r) * columns + s, yi);
              }
            }
        }
    }
}

/** A sample of all three operations. */
interface ConvCase extends ConvGeometry {
  readonly x: Shape;
  readonly w: Shape;
  readonly y: Shape;
}

const convCase = (x: Shape, w: Shape, geometry: Partial<ConvGeometry>): ConvCase => {
  const whole: ConvGeometry = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, ...geometry };
  return { x, w, y: checkConvolution("conv2d", x, w, whole), ...whole };
};

/** Geometries for the conformance tests: stride, padding, filter size, odd sizes, channel counts around 4 and 8, dilation and groups. */
export const CONV_CASES: readonly ConvCase[] = [
  convCase([2, 3, 8, 8], [4, 3, 3, 3], { padding: [1, 1, 1, 1] }),
  convCase([1, 8, 6, 7], [16, 8, 3, 3], { padding: [1, 1, 1, 1] }),
  convCase([2, 4, 8, 8], [8, 4, 3, 3], { stride: [2, 2], padding: [1, 1, 1, 1] }),
  convCase([2, 4, 8, 8], [8, 4, 1, 1], { stride: [2, 2] }),
  convCase([1, 5, 9, 7], [3, 5, 3, 2], { stride: [2, 1], padding: [1, 1, 0, 0] }),
  convCase([2, 2, 7, 7], [5, 2, 5, 5], { padding: [2, 2, 2, 2] }),
  convCase([1, 3, 7, 9], [6, 3, 1, 1], {}),
  convCase([1, 2, 10, 10], [4, 2, 3, 3], { stride: [3, 3], padding: [2, 2, 2, 2] }),
  convCase([3, 16, 4, 4], [12, 16, 3, 3], { padding: [1, 1, 1, 1] }),
  convCase([2, 16, 8, 12], [24, 16, 3, 3], { padding: [1, 1, 1, 1] }),
  convCase([1, 24, 6, 6], [16, 24, 3, 3], {}),
  convCase([1, 16, 5, 5], [16, 16, 3, 3], { padding: [0, 1, 1, 0] }),
  convCase([2, 5, 9, 8], [4, 5, 3, 3], { dilation: [2, 3], padding: [2, 2, 3, 3] }),
  convCase([2, 8, 6, 7], [12, 4, 3, 3], { groups: 2, padding: [1, 1, 1, 1] }),
  convCase([1, 4, 11, 10], [6, 2, 3, 3], { groups: 2, stride: [2, 3], dilation: [3, 2], padding: [2, 1, 0, 3] }),
  convCase([2, 8, 7, 6], [8, 1, 3, 3], { groups: 8, padding: [1, 1, 1, 1] }),
  convCase([1, 6, 9, 8], [6, 1, 3, 4], { groups: 6, stride: [2, 2], dilation: [1, 2], padding: [0, 1, 2, 1] }),
  convCase([1, 3, 6, 6], [6, 1, 3, 3], { groups: 3, stride: [2, 1] }),
  convCase([2, 4, 5, 5], [4, 1, 1, 1], { groups: 4, stride: [2, 2] }),
];
