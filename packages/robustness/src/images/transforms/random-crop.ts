/** @file Random crop: a square from anywhere in the padded image. */
import { DataError } from "@gradalign/tensor";
import { integer } from "../../options/option.ts";
import { crop } from "../crop.ts";
import { side } from "./center-crop.ts";
import { defineTransform } from "./transform.ts";

/** torchvision's RandomCrop with zero padding. */
export const randomCrop = defineTransform({
  help: "pads with black and cuts a square of `size` pixels from anywhere",
  paper: "torchvision's RandomCrop",
  options: { size: side, padding: integer({ least: 0, most: 4096, unit: "pixels", default: 0, help: "black pixels around the image" }) },
  random: true,
  size: ({ size }) => size,
  apply(image, { size, padding }, draws) {
    const [freeDown, freeAcross] = [image.height + 2 * padding - size, image.width + 2 * padding - size];
    if (freeDown < 0 || freeAcross < 0) {
      throw new DataError(`random-crop: size (=${size}) must fit into the image of ${image.width} x ${image.height} pixels; resize it first, or pad it`);
    }
    const top = draws.integer(freeDown + 1);
    return crop(image, top - padding, draws.integer(freeAcross + 1) - padding, size, size);
  },
});
