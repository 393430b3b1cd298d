import { ConfigError, DataError } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { drawsOf } from "../../src/draws.ts";
import { crop } from "../../src/images/crop.ts";
import { transformPipeline } from "../../src/images/pipeline.ts";
import { resample } from "../../src/images/resample.ts";
import { adjust } from "../../src/images/transforms/color-jitter.ts";
import { mirrored } from "../../src/images/transforms/flip.ts";
import { transforms } from "../../src/images/transforms/index.ts";
import { drawBox, fallbackBox } from "../../src/images/transforms/random-resized-crop.ts";
import { checksum, picture, vectors } from "./vectors.ts";

const { resample: resampled, shorter, box, center, fallback, adjust: adjusted, flip: flipped } = vectors.transforms;
const apply = (text: string, image: ReturnType<typeof picture>, key: readonly [number, number] = [1, 2]) => transformPipeline("train", text).apply(image, key);

test("resizing gives Pillow's bytes", () => {
  expect(resampled.length).toBeGreaterThanOrEqual(200);
  const wrong = resampled.filter(([w, h, seed, width, height, filter, crc]) => checksum(resample(picture(w, h, seed), width, height, filter)) !== crc);
  expect(wrong).toEqual([]);
});

test("resizing the shorter side, cutting and resizing, and the middle are torchvision's", () => {
  for (const [w, h, seed, size, filter, width, height, crc] of shorter) {
    const image = apply(`resize:size=${size};filter=${filter}`, picture(w, h, seed));
    expect([image.width, image.height, checksum(image)]).toEqual([width, height, crc]);
  }
  const wrong = box.filter(([w, h, seed, top, left, height, width, size, filter, crc]) => {
    return checksum(resample(crop(picture(w, h, seed), top, left, height, width), size, size, filter)) !== crc;
  });
  expect(wrong).toEqual([]);
  expect(center.filter(([w, h, seed, size, crc]) => checksum(apply(`center-crop:size=${size}`, picture(w, h, seed))) !== crc)).toEqual([]);
  expect(flipped.filter(([w, h, seed, crc]) => checksum(mirrored(picture(w, h, seed))) !== crc)).toEqual([]);
});

test("colours are adjusted as torchvision adjusts Pillow's images", () => {
  expect(adjusted.filter(([w, h, seed, name, factor, crc]) => checksum(adjust[name](picture(w, h, seed), factor)) !== crc)).toEqual([]);
});

test("a random rectangle lies in the image, in the ranges; where none fits it is torchvision's fallback", () => {
  for (const [width, height, top, left, boxHeight, boxWidth] of fallback) {
    expect(fallbackBox({ width, height }, 3 / 4, 4 / 3)).toEqual({ top, left, height: boxHeight, width: boxWidth });
  }
  const ranges = { minScale: 0.08, maxScale: 1, minRatio: 3 / 4, maxRatio: 4 / 3 };
  const [boxes, draws] = [[] as ReturnType<typeof drawBox>[], drawsOf([7, 8])];
  for (let i = 0; i < 2000; i++) boxes.push(drawBox({ width: 200, height: 100 }, ranges, draws));
  for (const { top, left, height, width } of boxes) {
    expect(top >= 0 && left >= 0 && top + height <= 100 && left + width <= 200).toBe(true);
    expect(width / height).toBeGreaterThan(0.7);
    expect(width / height).toBeLessThan(1.43);
  }
  const shares = boxes.map(({ height, width }) => (height * width) / 20000).sort((a, b) => a - b);
  expect(shares[0]).toBeLessThan(0.1);
  expect(new Set(boxes.map(({ left }) => left)).size).toBeGreaterThan(100);
});

test("draws are a function of the key, and even", () => {
  const numbers = Array.from({ length: 4000 }, (_, i) => i).map(
    (
      (draws) => () =>
        draws.integer(4)
    )(drawsOf([3, 4])),
  );
  for (let value = 0; value < 4; value++) expect(numbers.filter((number) => number === value).length / 4000).toBeCloseTo(0.25, 1);
  const image = picture(30, 20, 5);
  const text = "random-resized-crop:size=16+flip+color-jitter:brightness=0.4;contrast=0.4;saturation=0.4;hue=0.1+cutout:size=4";
  expect(checksum(apply(text, image, [5, 6]))).toBe(checksum(apply(text, image, [5, 6])));
  expect(new Set(Array.from({ length: 20 }, (_, i) => checksum(apply(text, image, [i, 0])))).size).toBe(20);
  expect(checksum(image)).toBe(checksum(picture(30, 20, 5)));
});

test("the random crop cuts where it draws, out of black padding; cutout blackens one square", () => {
  const image = picture(8, 8, 1);
  const found = new Set(Array.from({ length: 200 }, (_, i) => checksum(apply("random-crop:size=8;padding=1", image, [i, 1]))));
  const expected = [-1, 0, 1].flatMap((top) => [-1, 0, 1].map((left) => checksum(crop(image, top, left, 8, 8))));
  expect(found).toEqual(new Set(expected));
  const bright = { ...image, data: image.data.map((byte) => byte | 1) };
  const cut = Array.from({ length: 50 }, (_, i) => apply("cutout:size=4", bright, [i, 2]).data);
  for (const data of cut) {
    const black = [0, 1, 2].map((plane) => data.subarray(64 * plane, 64 * (plane + 1)).filter((byte) => byte === 0).length);
    expect(black[0]).toBeGreaterThanOrEqual(4);
    expect(black).toEqual([black[0], black[0], black[0]]);
  }
  expect(Math.max(...cut.map((data) => data.filter((byte) => byte === 0).length))).toBe(48);
});

test("every transform has its options declared; a text's mistakes are named", () => {
  expect(Object.keys(transforms)).toContain("random-resized-crop");
  const pipeline = transformPipeline("eval", "resize:size=40;filter=bicubic + center-crop", 32);
  expect([pipeline.text, pipeline.random, pipeline.size]).toEqual(["resize:size=40;filter=bicubic+center-crop:size=32", false, 32]);
  expect(transformPipeline("eval", "center-crop:size=32+resize:size=40").size).toBeUndefined();
  expect(transformPipeline("train", "random-crop:size=32+flip").random).toBe(true);
  expect(() => apply("flop", picture(4, 4, 1))).toThrow(ConfigError);
  expect(() => apply("flop", picture(4, 4, 1))).toThrowErrorMatchingInlineSnapshot(
    `[ConfigError: train: the transform (="flop") must be one of resize, center-crop, random-crop, random-resized-crop, flip, color-jitter, cutout; did you mean flip?]`,
  );
  expect(() => apply("resize:size=0", picture(4, 4, 1))).toThrowErrorMatchingInlineSnapshot(
    `[ConfigError: train: size (=0) must be an integer from 1 to 16384]`,
  );
  expect(() => apply("random-crop:size=9", picture(4, 4, 1))).toThrow(DataError);
});
