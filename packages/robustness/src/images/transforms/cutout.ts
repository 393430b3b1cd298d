/** @file Cutout: a black square anywhere in the image. */
import { integer } from "../../options/option.ts";
import { blankImage } from "../rgb-image.ts";
import { defineTransform } from "./transform.ts";

/** Cutout: the square's centre lies in the image, so that part of it may lie outside. */
export const cutout = defineTransform({
  help: "blackens a square of `size` pixels whose centre lies anywhere in the image",
  paper: "DeVries & Taylor 2017",
  options: { size: integer({ least: 1, most: 16384, unit: "pixels", default: 16, help: "side of the square" }) },
  random: true,
  size: () => undefined,
  apply(image, { size }, draws) {
    const { width, height, data } = image;
    const top = draws.integer(height) - (size >> 1);
    const left = draws.integer(width) - (size >> 1);
    const result = blankImage(width, height);
    result.data.set(data);
    const [from, to] = [Math.max(left, 0), Math.min(left + size, width)];
    for (let plane = 0; plane < 3; plane++) {
      for (let y = Math.max(top, 0); y < Math.min(top + size, height); y++) {
        const row = (plane * height + y) * width;
        result.data.fill(0, row + from, row + to);
      }
    }
    return result;
  },
});
