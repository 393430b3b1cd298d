/** @file Cutting a rectangle out of an image. */
import { blankImage, type RgbImage } from "./rgb-image.ts";

/** The pixels of a rectangle; where it lies outside of the image they are black. */
export function crop(image: RgbImage, top: number, left: number, height: number, width: number): RgbImage {
  if (top === 0 && left === 0 && height === image.height && width === image.width) return image;
  const result = blankImage(width, height);
  const [from, to] = [Math.max(left, 0), Math.min(left + width, image.width)];
  if (from >= to) return result;
  for (let plane = 0; plane < 3; plane++) {
    for (let y = Math.max(top, 0); y < Math.min(top + height, image.height); y++) {
      const row = (plane * image.height + y) * image.width;
      result.data.set(image.data.subarray(row + from, row + to), (plane * height + y - top) * width + from - left);
    }
  }
  return result;
}

/** Rounds halves to the even neighbour, as Python does. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below & 1) : Math.round(value);
}
