/** @file A decoded image, and how large one may be. */
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";

/** An image as bytes 0..255, the red plane, then green, then blue, row by row: [3, height, width]. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Room for an image of that size; black. */
export function blankImage(width: number, height: number): RgbImage & { readonly data: Uint8Array<ArrayBuffer> } {
  return { width, height, data: new Uint8Array(3 * width * height) };
}

/**
 * Refuses a size that a file announces, before memory is taken for it.
 *
 * @throws DataError when it is empty or beyond what an image may have.
 */
export function checkSize(format: string, width: number, height: number): void {
  if (width < 1 || height < 1) throw damaged(format, `its size is ${width} x ${height} pixels`);
  if (width * height > LIMITS.imagePixels) {
    throw new DataError(`the ${format} has ${width} x ${height} pixels, more than the limit of ${LIMITS.imagePixels}; make it smaller`);
  }
}

/** The error of a file whose bytes contradict themselves or end too early. */
export function damaged(format: string, what: string, options?: ErrorOptions): DataError {
  return new DataError(`the ${format} is damaged: ${what}; get it again, or leave it out`, options);
}

/** The error of a file that is right, but of a kind that is not read. */
export function unread(format: string, what: string): DataError {
  return new DataError(`the ${format} cannot be read: ${what}; save it anew as a plain JPEG, PNG or WebP`);
}
