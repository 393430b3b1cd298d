/**
 * @file From a JPEG's components to RGB: colour differences at full size, then the colour conversion, in libjpeg's integers.
 *
 * Half-size components are interpolated as libjpeg's "fancy" upsampling does: three quarters of the nearer sample, one of the farther, along
 * each axis. Four components are inks; Pillow takes them to be inverted, as Adobe writes them, whatever the file says.
 */
import { blankImage, type RgbImage } from "../rgb-image.ts";
import type { Component, Frame } from "./frame.ts";

/** How the components are colours. */
export type JpegColors = "gray" | "rgb" | "ycc" | "cmyk" | "ycck";

/** Coefficients of the conversion in 16 bits: red of Cr, green of Cb and Cr, blue of Cb. */
const [RED, GREEN_OF_CB, GREEN_OF_CR, BLUE] = [1.402, 0.34414, 0.71414, 1.772].map((factor) => Math.round(factor * 65536)) as [number, number, number, number];

/** The image of decoded components. */
export function rgbOf(frame: Frame, colors: JpegColors): RgbImage {
  const { width, height } = frame;
  const image = blankImage(width, height);
  const size = width * height;
  // Stores clamp.
  const [red, green, blue] = [0, 1, 2].map((plane) => new Uint8ClampedArray(image.data.buffer, plane * size, size)) as [Clamped, Clamped, Clamped];
  const rows = frame.components.map((component) => rowReader(frame, component));
  for (let y = 0, at = 0; y < height; y++, at += width) {
    const [first, second, third, fourth] = rows.map((row) => row(y)) as [Clamped, Clamped, Clamped, Clamped];
    switch (colors) {
      case "gray":
        for (const plane of [red, green, blue]) plane.set(first.subarray(0, width), at);
        break;
      case "rgb":
        red.set(first.subarray(0, width), at);
        green.set(second.subarray(0, width), at);
        blue.set(third.subarray(0, width), at);
        break;
      case "ycc":
        convertYcc(first, second, third, width, red, green, blue, at);
        break;
      case "ycck":
        convertYcc(first, second, third, width, red, green, blue, at);
        // The inks are what the colours lack; inverted, they are the colours again.
        for (const plane of [red, green, blue]) for (let x = 0; x < width; x++) plane[at + x] = inked(255 - (plane[at + x] as number), fourth[x] as number);
        break;
      case "cmyk":
        for (let x = 0; x < width; x++) {
          red[at + x] = inked(first[x] as number, fourth[x] as number);
          green[at + x] = inked(second[x] as number, fourth[x] as number);
          blue[at + x] = inked(third[x] as number, fourth[x] as number);
        }
    }
  }
  return image;
}

type Clamped = Uint8ClampedArray;

/** A colour under an ink and black, both stored inverted, as Pillow computes it. */
function inked(ink: number, black: number): number {
  const product = (255 - ink) * black + 128;
  return black - (((product >> 8) + product) >> 8);
}

function convertYcc(luma: Clamped, cb: Clamped, cr: Clamped, width: number, red: Clamped, green: Clamped, blue: Clamped, at: number): void {
  for (let x = 0; x < width; x++) {
    const level = ((luma[x] as number) << 16) + 32768;
    const b = (cb[x] as number) - 128;
    const r = (cr[x] as number) - 128;
    red[at + x] = (level + Math.imul(RED, r)) >> 16;
    green[at + x] = (level - Math.imul(GREEN_OF_CB, b) - Math.imul(GREEN_OF_CR, r)) >> 16;
    blue[at + x] = (level + Math.imul(BLUE, b)) >> 16;
  }
}

/** Reads rows of a component at the image's size; what it returns is good until the next call. */
function rowReader(frame: Frame, component: Component): (y: number) => Clamped {
  const { plane, stride, width, height } = component;
  const across = frame.across / component.across;
  const down = frame.down / component.down;
  const rowAt = (y: number): Clamped => {
    const inside = Math.min(Math.max(y, 0), height - 1);
    return plane.subarray(inside * stride, inside * stride + stride);
  };
  if (across === 1 && down === 1) return rowAt;
  const row = new Uint8ClampedArray(across * width);
  /** The row above or below, whichever is nearer to this one at full size. */
  const beside = (y: number): Clamped => rowAt((y >> 1) + (y % 2 === 0 ? -1 : 1));
  if (across === 1 && down === 2) {
    return (y) => {
      const [near, far, bias] = [rowAt(y >> 1), beside(y), y % 2 === 0 ? 1 : 2];
      for (let x = 0; x < width; x++) row[x] = (3 * (near[x] as number) + (far[x] as number) + bias) >> 2;
      return row;
    };
  }
  if (across === 2 && down === 1 && width > 2) {
    return (y) => {
      const near = rowAt(y);
      row[0] = near[0] as number;
      for (let x = 0; x < width - 1; x++) {
        const [left, right] = [near[x] as number, near[x + 1] as number];
        row[2 * x + 1] = (3 * left + right + 2) >> 2;
        row[2 * x + 2] = (left + 3 * right + 1) >> 2;
      }
      row[2 * width - 1] = near[width - 1] as number;
      return row;
    };
  }
  if (across === 2 && down === 2 && width > 2) {
    return (y) => {
      const [near, far] = [rowAt(y >> 1), beside(y)];
      let left = 3 * (near[0] as number) + (far[0] as number);
      row[0] = (4 * left + 8) >> 4;
      for (let x = 0; x < width - 1; x++) {
        const right = 3 * (near[x + 1] as number) + (far[x + 1] as number);
        row[2 * x + 1] = (3 * left + right + 7) >> 4;
        row[2 * x + 2] = (left + 3 * right + 8) >> 4;
        left = right;
      }
      row[2 * width - 1] = (4 * left + 7) >> 4;
      return row;
    };
  }
  return (y) => {
    const near = rowAt(Math.floor(y / down));
    for (let x = 0; x < across * width; x++) row[x] = near[Math.floor(x / across)] as number;
    return row;
  };
}
