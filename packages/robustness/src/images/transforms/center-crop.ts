/** @file Center crop: the middle of an image. */
import { integer } from "../../options/option.ts";
import { crop, roundHalfEven } from "../crop.ts";
import { defineTransform } from "./transform.ts";

/** The side of a square crop. */
export const side = integer({ least: 1, most: 16384, unit: "pixels", default: 224, help: "side of the square that is left" });

/** torchvision's CenterCrop: a side that is too short is padded with black on both ends, with the odd pixel at the far one. */
export const centerCrop = defineTransform({
  help: "cuts the middle out, `size` pixels high and wide; what is missing is black",
  paper: "torchvision's CenterCrop",
  options: { size: side },
  random: false,
  size: ({ size }) => size,
  apply(image, { size }) {
    // Negative where the image is smaller: padding, of which the half before is rounded down, and the crop after it begins at 0.
    const start = (extent: number): number => (extent < size ? -Math.floor((size - extent) / 2) : roundHalfEven((extent - size) / 2));
    return crop(image, start(image.height), start(image.width), size, size);
  },
});
