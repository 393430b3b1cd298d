/** @file Resize: the shorter side to so many pixels. */
import { choice, integer } from "../../options/option.ts";
import { resample, resampleFilters } from "../resample.ts";
import { defineTransform } from "./transform.ts";

/** The filter's option, which all transforms that resize have. */
export const filter = choice(resampleFilters, { default: "bilinear", help: "filter of the resizing; both smooth where they shrink" });

/** torchvision's Resize of one number; the longer side keeps the ratio, rounded down. */
export const resize = defineTransform({
  help: "resizes the shorter side to `size` pixels",
  paper: "torchvision's Resize",
  options: { size: integer({ least: 1, most: 16384, unit: "pixels", default: 256, help: "shorter side" }), filter },
  random: false,
  size: () => undefined,
  apply(image, { size, filter }) {
    const { width, height } = image;
    const long = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
    return width <= height ? resample(image, size, long, filter) : resample(image, long, size, filter);
  },
});
