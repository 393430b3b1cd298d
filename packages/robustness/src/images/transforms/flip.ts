/** @file Flip: mirrors an image left to right. */
import { constant } from "../../options/option.ts";
import { blankImage, type RgbImage } from "../rgb-image.ts";
import { defineTransform } from "./transform.ts";

/** torchvision's RandomHorizontalFlip. */
export const flip = defineTransform({
  help: "mirrors left to right",
  paper: "torchvision's RandomHorizontalFlip",
  options: { probability: constant({ least: 0, most: 1, default: 0.5, help: "how often" }) },
  random: true,
  size: () => undefined,
  apply: (image, { probability }, draws) => (draws.uniform(0, 1) < probability ? mirrored(image) : image),
});

/** The image mirrored left to right. */
export function mirrored(image: RgbImage): RgbImage {
  const { width, height, data } = image;
  const result = blankImage(width, height);
  result.data.set(data);
  for (let row = 0; row < 3 * height; row++) result.data.subarray(row * width, (row + 1) * width).reverse();
  return result;
}
