/** @file The real data sets, where they lie in the cache folder (`gradalign data download NAME`): known counts, labels and pixels. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type DatasetName, datasets } from "../../src/data/index.ts";
import { dataFolder } from "../../src/data/node-cache-folder.ts";
import { loadDataset } from "../../src/data/node-load-dataset.ts";
import type { ImageSplit } from "../../src/data/source.ts";

const isCached = (name: DatasetName): boolean => datasets[name].files.every((file) => existsSync(join(dataFolder(), datasets[name].folder, file.name)));
const perClass = ({ labels }: ImageSplit): number[] => {
  const counts = Array<number>(10).fill(0);
  for (const label of labels) (counts[label] as number) += 1;
  return counts;
};
const mean = ({ images }: ImageSplit): number => images.reduce((sum, pixel) => sum + pixel, 0) / images.length;

/** From the data sets' descriptions: images of each class, the first labels, the mean pixel. */
const KNOWN = {
  cifar10: { train: Array(10).fill(5000), first: [6, 9, 9, 4, 1], mean: 120.71 },
  svhn: { train: [4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659], first: [1, 9, 2, 3, 2], mean: 115.11 },
  mnist: { train: [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], first: [5, 0, 4, 1, 9], mean: 33.32 },
  "fashion-mnist": { train: Array(10).fill(6000), first: [9, 0, 0, 3, 0], mean: 72.94 },
} as const;

describe.each(Object.keys(KNOWN) as DatasetName[])("%s", (name) => {
  it.skipIf(!isCached(name))("is what its description says", async () => {
    const { train, test, shape } = await loadDataset(name, { offline: true });
    expect(shape).toEqual(datasets[name].shape);
    expect({ train: train.count, test: test.count }).toEqual(datasets[name].splits);
    expect(perClass(train)).toEqual(KNOWN[name].train);
    expect([...train.labels.subarray(0, 5)]).toEqual(KNOWN[name].first);
    expect(mean(train)).toBeCloseTo(KNOWN[name].mean, 1);
  });
});
