/** @file The registry of transforms: one line each. */
import { centerCrop } from "./center-crop.ts";
import { colorJitter } from "./color-jitter.ts";
import { cutout } from "./cutout.ts";
import { flip } from "./flip.ts";
import { randomCrop } from "./random-crop.ts";
import { randomResizedCrop } from "./random-resized-crop.ts";
import { resize } from "./resize.ts";
import type { Transform } from "./transform.ts";

/** Every transform of images by name. */
export const transforms = {
  resize,
  "center-crop": centerCrop,
  "random-crop": randomCrop,
  "random-resized-crop": randomResizedCrop,
  flip,
  "color-jitter": colorJitter,
  cutout,
} satisfies Readonly<Record<string, Transform>>;
