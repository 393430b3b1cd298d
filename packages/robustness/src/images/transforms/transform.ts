/** @file What a transform of images is: declared options, and a function of an image and random draws. */

import type { Draws } from "../../draws.ts";
import type { OptionTable, ValuesOf } from "../../options/option.ts";
import type { RgbImage } from "../rgb-image.ts";

/** A transform: one file, one line in the registry. Images are never written to: what is changed is a copy. */
export interface Transform<Table extends OptionTable = OptionTable> {
  /** What it does, without a full stop. */
  readonly help: string;
  /** Where it is from. */
  readonly paper: string;
  readonly options: Table;
  /** Whether it draws: evaluations are made of transforms that do not. */
  readonly random: boolean;
  /** The width and height that it leaves every image with; undefined where that depends on the image. */
  size(values: ValuesOf<Table>): number | undefined;
  apply(image: RgbImage, values: ValuesOf<Table>, draws: Draws): RgbImage;
}

/** Declares a transform. */
export function defineTransform<const Table extends OptionTable>(transform: Transform<Table>): Transform<Table> {
  return transform;
}
