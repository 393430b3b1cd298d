/** @file Decodes a file's bytes to RGB, whatever its name says it is: formats are told by their first bytes. */
import { DataError } from "@gradalign/tensor";
import { decodeJpeg } from "./jpeg/decode.ts";
import { decodePng } from "./png.ts";
import type { RgbImage } from "./rgb-image.ts";
import { decodeWebp } from "./webp.ts";

/** A format that is read. */
export type ImageFormat = "jpeg" | "png" | "webp";

/** Endings of the names of image files, in lower case. */
export const IMAGE_ENDINGS: readonly string[] = [".jpg", ".jpeg", ".png", ".webp"];

const DECODERS: Readonly<Record<ImageFormat, (file: Uint8Array) => RgbImage | Promise<RgbImage>>> = { jpeg: decodeJpeg, png: decodePng, webp: decodeWebp };

/** Formats that people have images in, and that are not read. */
const OTHERS: readonly (readonly [at: number, magic: string, what: string])[] = [
  [0, "GIF8", "a GIF"],
  [0, "BM", "a BMP"],
  [0, "II*\0", "a TIFF"],
  [0, "MM\0*", "a TIFF"],
  [4, "ftypavif", "an AVIF"],
  [4, "ftyp", "a HEIC or a video"],
  [0, "\0\0\0\x0cjP  ", "a JPEG 2000"],
  [0, "\xff\x0a", "a JPEG XL"],
  [0, "<", "text, perhaps a web page"],
  [0, "version https://git-lfs", "a pointer of Git LFS, not the file"],
];

const isAt = (file: Uint8Array, at: number, magic: string): boolean => [...magic].every((letter, i) => file[at + i] === letter.charCodeAt(0));

/**
 * The format of a file by its first bytes.
 *
 * @throws DataError that says what else it is.
 */
export function imageFormat(file: Uint8Array): ImageFormat {
  if (isAt(file, 0, "\xff\xd8\xff")) return "jpeg";
  if (isAt(file, 0, "\x89PNG")) return "png";
  if (isAt(file, 0, "RIFF") && isAt(file, 8, "WEBP")) return "webp";
  const other = OTHERS.find(([at, magic]) => isAt(file, at, magic))?.[2];
  const what = file.length === 0 ? "empty" : other === undefined ? "no image of a known format" : other;
  throw new DataError(`the file must be a JPEG, PNG or WebP, it is ${what}; convert it, or leave it out`);
}

/**
 * The image of a JPEG, PNG or WebP file, as Pillow's `convert("RGB")` has it: greys and inks become RGB, alpha is dropped, Exif's orientation
 * and colour profiles are ignored.
 *
 * @throws DataError when it is damaged, cut off, too large, or of another format.
 */
export async function decodeImage(file: Uint8Array): Promise<RgbImage> {
  return DECODERS[imageFormat(file)](file);
}
