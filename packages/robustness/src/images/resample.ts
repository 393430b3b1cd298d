/**
 * @file Resizing with Pillow's arithmetic, so that images have the bytes that torchvision's transforms give them.
 *
 * Pillow's filters always anti-alias: the support grows with the scale. Weights are fixed-point numbers of 22 bits; rows are resized first, and
 * rounded to bytes, then columns. https://github.com/python-pillow/Pillow, src/libImaging/Resample.c
 */
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";
import { blankImage, type RgbImage } from "./rgb-image.ts";

/** A filter's name. */
export type ResampleFilter = "bilinear" | "bicubic";

/** The names of all filters. */
export const resampleFilters: readonly ResampleFilter[] = ["bilinear", "bicubic"];

const FILTERS: Readonly<Record<ResampleFilter, { readonly support: number; weight(x: number): number }>> = {
  bilinear: { support: 1, weight: (x) => (Math.abs(x) < 1 ? 1 - Math.abs(x) : 0) },
  // Keys's cubic with a = -0.5, in Pillow's order of operations.
  bicubic: {
    support: 2,
    weight(x) {
      const a = -0.5;
      const d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
};

const BITS = 22;
const HALF = 1 << (BITS - 1);

/** Which samples each new sample is made of, and their weights. */
interface Weights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `most` for each new sample. */
  readonly weights: Int32Array;
  readonly most: number;
}

/** An image resized to so many pixels; of the same size it is the image itself. */
export function resample(image: RgbImage, width: number, height: number, filter: ResampleFilter): RgbImage {
  const wide = image.width === width ? image : resampleRows(image, width, filter);
  return wide.height === height ? wide : resampleColumns(wide, height, filter);
}

function weightsOf(from: number, to: number, filter: ResampleFilter): Weights {
  const { support: unit, weight } = FILTERS[filter];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = unit * stretch;
  const most = Math.ceil(support) * 2 + 1;
  if (to * most > LIMITS.imagePixels) throw new DataError(`an image of ${from} pixels cannot be resized to ${to}; choose a size nearer to it`);
  const [first, count, weights] = [new Int32Array(to), new Int32Array(to), new Int32Array(to * most)];
  const exact = new Float64Array(most);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const begin = Math.max(Math.trunc(center - support + 0.5), 0);
    const length = Math.min(Math.trunc(center + support + 0.5), from) - begin;
    const inverse = 1 / stretch;
    let sum = 0;
    for (let k = 0; k < length; k++) {
      exact[k] = weight((k + begin - center + 0.5) * inverse);
      sum += exact[k] as number;
    }
    for (let k = 0; k < length; k++) {
      const share = sum === 0 ? (exact[k] as number) : (exact[k] as number) / sum;
      weights[i * most + k] = Math.trunc(share < 0 ? -0.5 + share * (1 << BITS) : 0.5 + share * (1 << BITS));
    }
    first[i] = begin;
    count[i] = length;
  }
  return { first, count, weights, most };
}

function resampleRows(image: RgbImage, width: number, filter: ResampleFilter): RgbImage {
  const { first, count, weights, most } = weightsOf(image.width, width, filter);
  const result = blankImage(width, image.height);
  const from = image.data;
  // Stores clamp.
  const to = new Uint8ClampedArray(result.data.buffer);
  // The three planes at once: a weight is read once for them.
  const [next, nextTo] = [image.width * image.height, width * image.height];
  for (let row = 0, start = 0, at = 0; row < image.height; row++, start += image.width) {
    for (let x = 0; x < width; x++, at++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let k = x * most;
      let sample = start + (first[x] as number);
      for (const end = sample + (count[x] as number); sample < end; sample++, k++) {
        const weight = weights[k] as number;
        red = (red + Math.imul(from[sample] as number, weight)) | 0;
        green = (green + Math.imul(from[sample + next] as number, weight)) | 0;
        blue = (blue + Math.imul(from[sample + 2 * next] as number, weight)) | 0;
      }
      to[at] = red >> BITS;
      to[at + nextTo] = green >> BITS;
      to[at + 2 * nextTo] = blue >> BITS;
    }
  }
  return result;
}

function resampleColumns(image: RgbImage, height: number, filter: ResampleFilter): RgbImage {
  const { width } = image;
  const { first, count, weights, most } = weightsOf(image.height, height, filter);
  const result = blankImage(width, height);
  const from = image.data;
  const to = new Uint8ClampedArray(result.data.buffer);
  const sums = new Int32Array(width);
  for (let plane = 0, at = 0; plane < 3; plane++) {
    const start = plane * width * image.height;
    for (let y = 0; y < height; y++) {
      sums.fill(HALF);
      for (let k = 0; k < (count[y] as number); k++) {
        const weight = weights[y * most + k] as number;
        let sample = start + ((first[y] as number) + k) * width;
        for (let x = 0; x < width; x++) sums[x] = ((sums[x] as number) + Math.imul(from[sample++] as number, weight)) | 0;
      }
      for (let x = 0; x < width; x++) to[at++] = (sums[x] as number) >> BITS;
    }
  }
  return result;
}
