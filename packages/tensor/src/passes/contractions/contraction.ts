/** @file Contractions as the ways of computing them see them, and what a way is: one entry of the registry in `index.ts`. */

import type { Target } from "../../ir/target.ts";
import { type Convolution, windowExtent } from "../../ops/convolution.ts";
import type { Placed } from "../placed.ts";
import type { FilterView } from "./filter.ts";

/** A convolution of an image with a filter: `conv2d`, and the input gradients of those with stride 1. Padding may be negative: then the image
 * is cut. */
export interface Forward {
  readonly shape: Convolution;
  readonly image: Placed;
  readonly filter: FilterView;
}

/** The gradient of a convolution with respect to its image; the filter is turned already. */
export interface InputGradient {
  readonly shape: Convolution;
  readonly cotangent: Placed;
  readonly filter: FilterView;
}

/** The gradient of a convolution with respect to its filter. */
export interface FilterGradient {
  readonly shape: Convolution;
  readonly image: Placed;
  readonly cotangent: Placed;
}

/** A matrix product [rows, depth] · [depth, columns]. */
export interface Product {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  readonly left: Placed;
  readonly right: Placed;
}

/** The largest element of each window. */
export interface Maximum {
  readonly shape: Convolution;
  readonly image: Placed;
}

/** An element of each window by its number, or the transpose: `of` is the image or the cotangent. */
export interface Selection {
  readonly shape: Convolution;
  readonly of: Placed;
  readonly index: Placed;
}

/** One way of computing a contraction. */
export interface Way<Contraction> {
  readonly name: string;
  /** Whether it computes this contraction on this target at all. */
  readonly fits: (contraction: Contraction, target: Target) => boolean;
  /** Vector instructions, roughly: what ways that fit are compared by. */
  readonly cost: (contraction: Contraction, target: Target) => number;
  /** The value as nodes that carry their kernels, in the order of axes that suits it. */
  readonly lower: (contraction: Contraction, target: Target) => Placed;
}

/** The way that fits and costs least; of equal ones the first. */
export function cheapest<Contraction>(ways: readonly Way<Contraction>[], contraction: Contraction, target: Target): Way<Contraction> | null {
  let best: Way<Contraction> | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const way of ways) {
    if (!way.fits(contraction, target)) continue;
    const cost = way.cost(contraction, target);
    if (best && cost >= least) continue;
    [best, least] = [way, cost];
  }
  return best;
}

/** Pixels of the result, of all images. */
export const resultPixels = ({ batch, result }: Convolution): number => batch * result[0] * result[1];

/** Terms of each element of the result. */
export const windowTerms = ({ inputs, groups, window }: Convolution): number => (inputs / groups) * window[0] * window[1];

/** Multiply-adds of a convolution or of either of its gradients. */
export const multiplyAdds = (shape: Convolution): number => resultPixels(shape) * windowTerms(shape) * shape.outputs;

/** Instructions of a register tile per pixel and term, with so many channels: a multiply-add per vector, and for every two vectors the load of
 * a factor that both take. */
export function tileSteps(channels: number): number {
  const vectors = Math.ceil(channels / 4);
  return vectors + Math.ceil(vectors / 2);
}

/** Whether a convolution moves its whole window by one pixel at a time: no stride, dilation or groups. */
export function isPlain({ stride, dilation, groups }: Convolution): boolean {
  return groups === 1 && [...stride, ...dilation].every((step) => step === 1);
}

/** The convolution that the input gradient of one with stride 1 is: of the cotangent with the turned filter. A pixel of the input gets a share of
 * the result's pixels from its own position − (window − 1 − padding) on. */
export function turned({ batch, inputs, outputs, groups, size, window, result, dilation, low: before }: Convolution): Convolution {
  const pair = (value: (d: 0 | 1) => number): readonly [number, number] => [value(0), value(1)];
  const reach = pair((d) => windowExtent(window[d], dilation[d]) - 1);
  const low = pair((d) => reach[d] - before[d]);
  const high = pair((d) => size[d] + reach[d] - low[d] - result[d]);
  return { batch, inputs: outputs, outputs: inputs, groups, size: result, window, result: size, stride: [1, 1], dilation, low, high };
}
