/** @file A folder of JPEGs made of CIFAR-10: what stands in for ImageNet on a laptop. */
import { createHash } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeJpeg, type ImageSource, isResident, resample } from "@gradalign/robustness";
import { type LoadedDataset, makeFolder } from "@gradalign/robustness/node";
import { InvariantError } from "@gradalign/tensor";

/** Pixels of a side, and images of each class. */
const SIZE = 64;
const PER_CLASS = { train: 500, val: 100 } as const;
/** As the images of the original recipe are stored. */
const QUALITY = 75;

/** Writes the first images of each class, enlarged, to `train/CLASS/` and `val/CLASS/` of a folder that appears when it is whole. */
export function writeJpegFolder(folder: string, { dataset }: LoadedDataset): void {
  const partial = `${folder}.${createHash("sha256").update(String(process.pid)).digest("hex").slice(0, 8)}.partial`;
  rmSync(partial, { recursive: true, force: true });
  for (const [split, source] of [["train", dataset.train] as const, ["val", dataset.test] as const]) writeSplit(partial, split, source, dataset.classNames);
  renameSync(partial, folder);
}

function writeSplit(folder: string, split: keyof typeof PER_CLASS, source: ImageSource, classNames: readonly string[]): void {
  if (!isResident(source)) throw new InvariantError("the images of a known data set are in memory");
  const bytes = source.images.length / source.count;
  const written = classNames.map(() => 0);
  for (const name of classNames) makeFolder(join(folder, split, name));
  source.labels.forEach((label, i) => {
    const number = written[label] as number;
    if (number === PER_CLASS[split]) return;
    written[label] = number + 1;
    const image = { width: 32, height: 32, data: source.images.subarray(i * bytes, (i + 1) * bytes) };
    const file = join(folder, split, classNames[label] as string, `${String(number).padStart(4, "0")}.jpg`);
    writeFileSync(file, encodeJpeg(resample(image, SIZE, SIZE, "bicubic"), QUALITY));
  });
}
