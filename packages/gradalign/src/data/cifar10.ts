/**
 * @file CIFAR-10's official binary files as a dataset; pure, so that it also runs where there is no file system.
 *
 * Each file holds records of 3073 bytes: the label, then 1024 red, 1024 green and 1024 blue bytes of a 32 x 32 image, row by row.
 * Krizhevsky, "Learning multiple layers of features from tiny images" (2009); https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { DataError } from "@gradalign/tensor";
import { type ImageDataset, imageDataset } from "./dataset.ts";

/** Bytes of one record: label, then 3 x 32 x 32 pixels. */
export const CIFAR10_RECORD_BYTES = 3073;

/** Class names in label order. */
export const CIFAR10_CLASSES: readonly string[] = Object.freeze(["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]);

/** What one of the binary files must be. */
export interface RecordFile {
  readonly name: string;
  readonly split: "train" | "test";
  /** Number of 3073-byte records. */
  readonly records: number;
  /** SHA-1 of the whole file, lower-case hex. */
  readonly sha1: string;
}

/** The six official files in reading order. */
export const CIFAR10_FILES: readonly RecordFile[] = Object.freeze([
  { name: "data_batch_1.bin", split: "train", records: 10_000, sha1: "aadd24acce27caa71bf4b10992e9e7b2d74c2540" },
  { name: "data_batch_2.bin", split: "train", records: 10_000, sha1: "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795" },
  { name: "data_batch_3.bin", split: "train", records: 10_000, sha1: "1dd00a74ab1d17a6e7d73e185b69dbf31242f295" },
  { name: "data_batch_4.bin", split: "train", records: 10_000, sha1: "aab85764eb3584312d3c7f65fd2fd016e36a258e" },
  { name: "data_batch_5.bin", split: "train", records: 10_000, sha1: "26e2849e66a845b7f1e4614ae70f4889ae604628" },
  { name: "test_batch.bin", split: "test", records: 10_000, sha1: "67eb016db431130d61cd03c7ad570b013799c88c" },
]);

/**
 * Reads the binary record files into a dataset with the standard recipe (mirroring and 4-pixel random crops).
 *
 * @param contents bytes of each file by its name; checksums are the caller's business.
 * @throws DataError when a file is missing, has the wrong length, or holds a label above 9.
 */
export function parseCifar10(contents: ReadonlyMap<string, Uint8Array>, files: readonly RecordFile[] = CIFAR10_FILES): ImageDataset {
  return imageDataset({
    name: "cifar10",
    classNames: CIFAR10_CLASSES,
    shape: [3, 32, 32],
    train: readSplit(contents, files, "train"),
    test: readSplit(contents, files, "test"),
    flip: true,
    crop: 4,
  });
}

function readSplit(contents: ReadonlyMap<string, Uint8Array>, files: readonly RecordFile[], split: "train" | "test") {
  const chosen = files.filter((file) => file.split === split);
  const count = chosen.reduce((sum, file) => sum + file.records, 0);
  const pixels = CIFAR10_RECORD_BYTES - 1;
  const images = new Uint8Array(count * pixels);
  const labels = new Uint8Array(count);
  let next = 0;
  for (const file of chosen) {
    const bytes = contents.get(file.name);
    if (bytes === undefined) throw new DataError(`parseCifar10: ${file.name} is missing; all ${files.length} files are needed`);
    const expected = file.records * CIFAR10_RECORD_BYTES;
    if (bytes.length !== expected) {
      throw new DataError(
        `parseCifar10: ${file.name} must hold ${file.records} records x ${CIFAR10_RECORD_BYTES} = ${expected} bytes, got ${bytes.length}; fetch the file again`,
      );
    }
    for (let record = 0; record < file.records; record++) {
      const start = record * CIFAR10_RECORD_BYTES;
      labels[next] = bytes[start] as number;
      images.set(bytes.subarray(start + 1, start + CIFAR10_RECORD_BYTES), next * pixels);
      next++;
    }
  }
  return { images, labels };
}
