/** @file Random resized crop: a random rectangle as a square, the augmentation of ImageNet. */
import { ConfigError } from "@gradalign/tensor";
import type { Draws } from "../../draws.ts";
import { constant } from "../../options/option.ts";
import { crop, roundHalfEven } from "../crop.ts";
import { resample } from "../resample.ts";
import { side } from "./center-crop.ts";
import { filter } from "./resize.ts";
import { defineTransform } from "./transform.ts";

/** A rectangle of an image. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

const share = { above: 0, most: 1 };
const ratio = { above: 0, most: 100 };

/** torchvision's RandomResizedCrop: area and ratio of the sides are drawn, the ratio on a logarithmic scale. */
export const randomResizedCrop = defineTransform({
  help: "cuts a rectangle of random area and ratio of its sides, and resizes it to a square of `size` pixels",
  paper: "Szegedy et al. 2015; torchvision's RandomResizedCrop",
  options: {
    size: side,
    minScale: constant({ ...share, default: 0.08, help: "smallest share of the image's area" }),
    maxScale: constant({ ...share, default: 1, help: "largest share" }),
    minRatio: constant({ ...ratio, default: 3 / 4, help: "smallest ratio of width to height" }),
    maxRatio: constant({ ...ratio, default: 4 / 3, help: "largest ratio" }),
    filter,
  },
  random: true,
  size: ({ size }) => size,
  apply(image, { size, filter, ...ranges }, draws) {
    if (ranges.minScale > ranges.maxScale || ranges.minRatio > ranges.maxRatio) {
      throw new ConfigError("random-resized-crop: min-scale and min-ratio must be at most max-scale and max-ratio; swap them");
    }
    const { top, left, height, width } = drawBox(image, ranges, draws);
    return resample(crop(image, top, left, height, width), size, size, filter);
  },
});

interface Ranges {
  readonly minScale: number;
  readonly maxScale: number;
  readonly minRatio: number;
  readonly maxRatio: number;
}

/** The rectangle to cut: ten tries, and then the largest one in the middle whose ratio is allowed. */
export function drawBox(image: { readonly width: number; readonly height: number }, { minScale, maxScale, minRatio, maxRatio }: Ranges, draws: Draws): Box {
  const { width: across, height: down } = image;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = down * across * draws.uniform(minScale, maxScale);
    const ratio = Math.exp(draws.uniform(Math.log(minRatio), Math.log(maxRatio)));
    const [width, height] = [roundHalfEven(Math.sqrt(area * ratio)), roundHalfEven(Math.sqrt(area / ratio))];
    if (width < 1 || width > across || height < 1 || height > down) continue;
    const top = draws.integer(down - height + 1);
    return { top, left: draws.integer(across - width + 1), height, width };
  }
  return fallbackBox(image, minRatio, maxRatio);
}

/** The largest rectangle in the middle whose ratio lies in the range. */
export function fallbackBox({ width: across, height: down }: { readonly width: number; readonly height: number }, minRatio: number, maxRatio: number): Box {
  let [width, height] = [across, down];
  // A side of no pixel, which a very thin image would have, cannot be resized.
  if (across / down < minRatio) height = Math.max(1, roundHalfEven(across / minRatio));
  else if (across / down > maxRatio) width = Math.max(1, roundHalfEven(down * maxRatio));
  return { top: Math.floor((down - height) / 2), left: Math.floor((across - width) / 2), height, width };
}
