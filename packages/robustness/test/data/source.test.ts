/** @file Image sources of both kinds: what they yield depends on seed, epoch and index alone. */
import { imageDataset, openSource, readImages, residentSplit, sliceSource, takeFirst } from "@gradalign/robustness";
import { streamedSplit } from "@gradalign/robustness/node";
import { describe, expect, it, test } from "vitest";
import { moduleAddress, streamed } from "../support/streamed.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const { train, shape } = tinyDataset({ train: 40 });
const SIZE = shape.reduce((product, extent) => product * extent, 1);
const varying = streamed(train, shape, { varies: true });

const ORDER = Int32Array.from({ length: 40 }, (_, i) => (i * 27 + 5) % 40);

/** Batches of eight in a permuted order, asked for all at once. */
async function batches(workers: number): Promise<Uint8Array[]> {
  const reader = await openSource(varying, SIZE, workers);
  const read = Array.from({ length: 5 }, async (_, k) => {
    const into = new Uint8Array(8 * SIZE);
    await reader.read(ORDER.slice(8 * k, 8 * k + 8), { seed: 3, epoch: k }, into);
    return into;
  });
  const bytes = await Promise.all(read);
  await reader.close();
  return bytes;
}

describe("a streamed source", () => {
  it("yields the same bytes with any number of workers and in any order", async () => {
    const [here, one, two, four] = [await batches(0), await batches(1), await batches(2), await batches(4)];
    expect(one).toEqual(here);
    expect(two).toEqual(here);
    expect(four).toEqual(here);
    const alone = new Uint8Array(SIZE);
    const reader = await openSource(varying, SIZE, 1);
    await reader.read(ORDER.slice(11, 12), { seed: 3, epoch: 1 }, alone);
    await reader.close();
    expect(alone).toEqual(here[1]?.subarray(3 * SIZE, 4 * SIZE));
    expect(alone).not.toEqual(train.images.subarray(22 * SIZE, 23 * SIZE));
  });

  it("is evaluated, sliced and taken into memory without a draw", async () => {
    expect(await residentSplit(varying, shape, 40 * SIZE)).toEqual(train);
    expect(await residentSplit(sliceSource(varying, 3, 5), shape, 5 * SIZE)).toEqual(sliceSource(train, 3, 5));
    expect(await readImages(takeFirst(varying, 9), shape, 4, 5)).toEqual(await readImages(train, shape, 4, 5));
    await expect(residentSplit(varying, shape, 39 * SIZE)).rejects.toThrow(
      `40 images of ${SIZE} bytes need more than ${39 * SIZE} bytes of memory; take at most 39`,
    );
  });

  it.each([0, 2])("says which image it could not decode, and goes on with others (%i workers)", async (workers) => {
    const reader = await openSource(streamed(train, shape, { broken: 7 }), SIZE, workers);
    const read = (first: number) => reader.read(Int32Array.of(first, first + 1, first + 2), null, new Uint8Array(3 * SIZE));
    await expect(read(6)).rejects.toThrow(/^folder\/7\.jpg is cut off$/);
    await read(8);
    await reader.close();
  });

  it.each([0, 1])("says what is wrong with a decoder that is not one (%i workers)", async (workers) => {
    const source = streamedSplit({
      labels: train.labels,
      shape,
      module: moduleAddress("export const decoder = () => ({ decode() { null.x; } });"),
      data: null,
    });
    const reader = await openSource(source, SIZE, workers);
    await expect(reader.read(Int32Array.of(5), null, new Uint8Array(SIZE))).rejects.toThrow(/^image 5 cannot be decoded: Cannot read properties of null/);
    await reader.close();
  });

  it("rejects what is being read when it is closed, and what is asked for after", async () => {
    const slow = "export const decoder = () => ({ decode: () => new Promise((resolve) => setTimeout(resolve, 1e6)) });";
    const reader = await streamedSplit({ labels: train.labels, shape, module: moduleAddress(slow), data: null }).open(2);
    const reading = reader.read(Int32Array.of(0), null, new Uint8Array(SIZE));
    const refused = expect(reading).rejects.toThrow("the threads that decode images ended: they were closed");
    await reader.close();
    await refused;
    await expect(reader.read(Int32Array.of(0), null, new Uint8Array(SIZE))).rejects.toThrow("they were closed");
  });
});

test("a data set has streamed splits of its own shape only", () => {
  const [names, test] = [["a", "b", "c", "d"], { images: train.images, labels: train.labels }];
  const made = imageDataset({ name: "both", classNames: names, shape, train: varying, test });
  expect([made.train.count, made.test.count]).toEqual([40, 40]);
  const other = { ...varying, shape: [3, 4, 4] as const };
  expect(() => imageDataset({ name: "x", classNames: names, shape, train: other, test })).toThrow(
    "imageDataset: train.shape must be [3, 8, 8], that of the other images, got [3, 4, 4]",
  );
});

test("labels are wide: bytes for 256 classes, int32 for more, at least 65,536", () => {
  const classNames = Array.from({ length: 65_536 }, (_, i) => `class ${i}`);
  const split = (labels: Uint16Array | number[]) => ({ images: new Uint8Array(4 * 4), labels });
  const make = (classes: number, labels: Uint16Array | number[]) =>
    imageDataset({ name: "many", classNames: classNames.slice(0, classes), shape: [1, 2, 2], train: split(labels), test: split(labels) }).train.labels;
  expect(make(65_536, Uint16Array.of(0, 255, 256, 65_535))).toEqual(Int32Array.of(0, 255, 256, 65_535));
  expect(make(256, [0, 1, 2, 255])).toEqual(Uint8Array.of(0, 1, 2, 255));
  expect(() => make(65_536, [0, 1, 2, 65_536])).toThrow("train.labels[3] (=65536) must be an integer from 0 to 65535");
});
