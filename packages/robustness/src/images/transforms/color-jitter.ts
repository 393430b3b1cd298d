/**
 * @file Colour jitter: brightness, contrast, saturation and hue at random, in a random order, with the arithmetic of Pillow's ImageEnhance and
 * of its conversions to and from HSV, single precision included.
 */
import { constant } from "../../options/option.ts";
import { blankImage, type RgbImage } from "../rgb-image.ts";
import { defineTransform } from "./transform.ts";

const strength = (what: string) => constant({ least: 0, most: 100, default: 0, help: `${what}: factors from 1 - x, but at least 0, to 1 + x are drawn` });

/** torchvision's ColorJitter. */
export const colorJitter = defineTransform({
  help: "changes brightness, contrast, saturation and hue, in random order",
  paper: "torchvision's ColorJitter",
  options: {
    brightness: strength("brightness"),
    contrast: strength("contrast"),
    saturation: strength("saturation"),
    hue: constant({ least: 0, most: 0.5, default: 0, help: "hue: shifts from -x to x of the circle are drawn" }),
  },
  random: true,
  size: () => undefined,
  apply(image, strengths, draws) {
    const names = ["brightness", "contrast", "saturation", "hue"] as const;
    const factors = names.map((name) => {
      const most = strengths[name];
      return name === "hue" ? draws.uniform(-most, most) : draws.uniform(Math.max(0, 1 - most), 1 + most);
    });
    // Fisher and Yates's shuffle.
    const order = [0, 1, 2, 3];
    for (let i = 3; i > 0; i--) {
      const j = draws.integer(i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    let result = image;
    for (const i of order) {
      const name = names[i] as (typeof names)[number];
      if (strengths[name] > 0) result = adjust[name](result, factors[i] as number);
    }
    return result;
  },
});

/** What a factor does to an image, by name; 1 changes nothing, and so does a hue of 0. */
export const adjust: Readonly<Record<"brightness" | "contrast" | "saturation" | "hue", (image: RgbImage, factor: number) => RgbImage>> = {
  brightness: (image, factor) => blend(image, factor, () => 0),
  contrast(image, factor) {
    const gray = luma(image);
    let sum = 0;
    for (let i = 0; i < gray.length; i++) sum += gray[i] as number;
    const mean = Math.trunc(sum / gray.length + 0.5);
    return blend(image, factor, () => mean);
  },
  saturation(image, factor) {
    const gray = luma(image);
    return blend(image, factor, (pixel) => gray[pixel] as number);
  },
  hue: shiftHue,
};

const f32 = Math.fround;

/** Goes `factor` of the way from a colour of each pixel to the image, and beyond it: Pillow's blend. */
function blend(image: RgbImage, factor: number, from: (pixel: number) => number): RgbImage {
  const { width, height, data } = image;
  const alpha = f32(factor);
  if (alpha === 1) return image;
  const result = blankImage(width, height);
  // Stores cut off at 0 and 255; within, digits after the point are dropped, not rounded.
  const to = new Uint8ClampedArray(result.data.buffer);
  const size = width * height;
  for (let i = 0, pixel = 0; i < data.length; i++, pixel++) {
    if (pixel === size) pixel = 0;
    const start = from(pixel);
    to[i] = Math.trunc(f32(start + f32(alpha * ((data[i] as number) - start))));
  }
  return result;
}

/** Grey levels as Pillow computes them: ITU-R 601-2 in 16 bits. */
function luma({ width, height, data }: RgbImage): Uint8Array {
  const size = width * height;
  const gray = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    gray[i] = (19595 * (data[i] as number) + 38470 * (data[i + size] as number) + 7471 * (data[i + 2 * size] as number) + 0x8000) >> 16;
  }
  return gray;
}

/** Turns the hue, which Pillow keeps in a byte, by that share of the circle. */
function shiftHue(image: RgbImage, factor: number): RgbImage {
  const { width, height, data } = image;
  const result = blankImage(width, height);
  const to = result.data;
  const size = width * height;
  const shift = Math.trunc(factor * 255) & 255;
  for (let i = 0; i < size; i++) {
    const [red, green, blue] = [data[i] as number, data[i + size] as number, data[i + 2 * size] as number];
    const value = Math.max(red, green, blue);
    const range = value - Math.min(red, green, blue);
    const saturation = range === 0 ? 0 : Math.trunc(f32(range / value) * 255);
    if (saturation === 0) {
      to[i] = to[i + size] = to[i + 2 * size] = value;
      continue;
    }
    const [r, g, b] = [f32((value - red) / range), f32((value - green) / range), f32((value - blue) / range)];
    const sector = red === value ? f32(b - g) : green === value ? f32(2 + r - b) : f32(4 + g - r);
    const hue = (Math.trunc(f32((sector / 6 + 1) % 1) * 255) + shift) & 255;
    const turn = (hue * 6) / 255;
    const whole = Math.floor(turn);
    const rest = f32(turn - whole);
    const strength = f32(saturation / 255);
    const low = roundHalfUp(value * (1 - strength));
    const falling = roundHalfUp(value * (1 - f32(strength * rest)));
    const rising = roundHalfUp(value * (1 - strength * (1 - rest)));
    const [newRed, newGreen, newBlue] = (
      [
        [value, rising, low],
        [falling, value, low],
        [low, value, rising],
        [low, falling, value],
        [rising, low, value],
        [value, low, falling],
      ] as const
    )[whole % 6] as readonly [number, number, number];
    to[i] = newRed;
    to[i + size] = newGreen;
    to[i + 2 * size] = newBlue;
  }
  return result;
}

function roundHalfUp(value: number): number {
  return Math.floor(value + 0.5);
}
