/** @file What users' own arrays must be like. */
import { describe, expect, it } from "vitest";
import { type ImageDatasetOptions, imageDataset, type SplitArrays, takeFirst } from "../../src/data/dataset.ts";

const split = (count: number) => ({ images: new Uint8Array(count * 12).map((_, i) => i), labels: new Uint8Array(count).map((_, i) => i % 2) });
const valid: ImageDatasetOptions<SplitArrays> = { name: "tiny", classNames: ["a", "b"], shape: [3, 2, 2], train: split(5), test: split(2) };

describe("imageDataset", () => {
  it("keeps the arrays and defaults to no augmentation", () => {
    const data = imageDataset(valid);
    expect(data.train.images).toBe(valid.train.images);
    expect(data).toMatchObject({ name: "tiny", classNames: ["a", "b"], shape: [3, 2, 2], flip: false, crop: 0 });
    expect([data.train.count, data.test.count]).toEqual([5, 2]);
  });

  it("takes labels as numbers and images as Node buffers", () => {
    const data = imageDataset({ ...valid, train: { images: Buffer.alloc(24), labels: [1, 0] }, flip: true, crop: 1 });
    expect(data.train.labels).toEqual(Uint8Array.of(1, 0));
    expect([data.flip, data.crop]).toEqual([true, 1]);
  });

  const wrong: [what: string, change: Partial<Record<keyof ImageDatasetOptions, unknown>>, message: string][] = [
    ["an empty name", { name: "" }, "imageDataset: name must be a non-empty string; give the dataset a name"],
    ["no classes", { classNames: [] }, "imageDataset: classNames must list 1 to 1048576 names, got 0; list one name per class"],
    ["a flat shape", { shape: [3, 4] }, "imageDataset: shape must be three positive integers [channels, height, width], got [3,4]"],
    ["a fractional size", { shape: [3, 2, 2.5] }, "imageDataset: shape must be three positive integers [channels, height, width], got [3,2,2.5]"],
    [
      "a crop as large as the image",
      { crop: 2 },
      "imageDataset: crop (=2) must be an integer from 0 to 1, below the image's height and width; use 0 for no random crop",
    ],
    [
      "float pixels",
      { train: { images: new Float32Array(60), labels: new Uint8Array(5) } },
      "imageDataset: train.images must be a Uint8Array of pixels 0..255, got Float32Array; multiply images in [0, 1] by 255 and round",
    ],
    [
      "a missing image",
      { test: { images: new Uint8Array(23), labels: new Uint8Array(2) } },
      "imageDataset: test.images must hold 2 labels x 3 x 2 x 2 = 24 bytes, got 23; images and labels must have the same count",
    ],
    [
      "a label without a class",
      { train: { images: new Uint8Array(24), labels: [0, 2] } },
      "imageDataset: train.labels[1] (=2) must be an integer from 0 to 1, one per class name; number the classes from 0",
    ],
    ["an empty split", { test: { images: new Uint8Array(0), labels: [] } }, "imageDataset: test has no examples; each split needs at least one"],
  ];
  it.each(wrong)("refuses %s", (_, change, message) => {
    const make = () => imageDataset({ ...valid, ...change } as ImageDatasetOptions);
    expect(make).toThrow(expect.objectContaining({ code: "DataError", message }));
  });
});

describe("takeFirst", () => {
  it("shares the first examples' memory", () => {
    const { train } = imageDataset(valid);
    const first = takeFirst(train, 2);
    expect(first.count).toBe(2);
    expect(first.images).toEqual(train.images.subarray(0, 24));
    expect(first.images.buffer).toBe(train.images.buffer);
    expect(first.labels).toEqual(Uint8Array.of(0, 1));
  });

  it.each([0, 6, 1.5])("refuses n = %s of 5", (n) => {
    expect(() => takeFirst(imageDataset(valid).train, n)).toThrow(`takeFirst: n (=${n}) must be an integer from 1 to 5`);
  });
});
