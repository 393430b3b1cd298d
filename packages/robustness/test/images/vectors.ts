/** @file What Pillow and torchvision make of files and pictures (tools/oracle/images.py), and the pictures. */
import { readFileSync } from "node:fs";
import { crc32 } from "@gradalign/formats";
import type { ResampleFilter } from "../../src/images/resample.ts";
import type { RgbImage } from "../../src/images/rgb-image.ts";

/** The fixture. */
export interface Vectors {
  readonly transforms: {
    readonly resample: readonly (readonly [w: number, h: number, seed: number, width: number, height: number, filter: ResampleFilter, crc: number])[];
    readonly shorter: readonly (readonly [
      w: number,
      h: number,
      seed: number,
      size: number,
      filter: ResampleFilter,
      width: number,
      height: number,
      crc: number,
    ])[];
    readonly box: readonly (readonly [
      number,
      number,
      number,
      top: number,
      left: number,
      height: number,
      width: number,
      size: number,
      ResampleFilter,
      crc: number,
    ])[];
    readonly center: readonly (readonly [w: number, h: number, seed: number, size: number, crc: number])[];
    readonly fallback: readonly (readonly [w: number, h: number, top: number, left: number, height: number, width: number])[];
    readonly adjust: readonly (readonly [
      w: number,
      h: number,
      seed: number,
      name: "brightness" | "contrast" | "saturation" | "hue",
      factor: number,
      crc: number,
    ])[];
    readonly flip: readonly (readonly [w: number, h: number, seed: number, crc: number])[];
  };
  readonly files: Readonly<Record<string, { readonly file: string; readonly image: readonly [width: number, height: number, crc: number] | null }>>;
}

/** The vectors. */
export const vectors = JSON.parse(readFileSync(new URL("../fixtures/images.json", import.meta.url), "utf8")) as Vectors;

/** A file of the vectors. */
export function fileOf(name: string): Uint8Array {
  const row = vectors.files[name];
  if (!row) throw new Error(`no file ${name}`);
  return Uint8Array.from(Buffer.from(row.file, "base64"));
}

/** Slopes with sharp edges and a little noise, as the script computes them. */
export function picture(width: number, height: number, seed: number): RgbImage {
  const data = new Uint8Array(3 * width * height);
  for (let c = 0, at = 0; c < 3; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        let hashed = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(c, 0xc2b2ae3d) ^ Math.imul(seed, 0x27d4eb2f);
        hashed = Math.imul(hashed ^ (hashed >>> 15), 0x2c1b3c6d);
        data[at] = x * ((seed % 7) + 1) + y * ((seed % 5) + 1) + c * (seed % 3) * 60 + (hashed >>> 28);
      }
    }
  }
  return { width, height, data };
}

/** An image's checksum. */
export function checksum({ data }: RgbImage): number {
  return crc32(data);
}
