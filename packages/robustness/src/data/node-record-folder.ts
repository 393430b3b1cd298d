/**
 * @file A data set of one's own: a folder of files in CIFAR-10's binary format, or CIFAR-100 as it is unpacked, which has a list of fine labels.
 *
 * Training images lie in `train*.bin` or `data_batch*.bin`, test images in `test*.bin`; each file is any number of records of
 * 3073 bytes (label, then 32 x 32 red, green and blue bytes). `batches.meta.txt` or `classes.txt` may list the class names, one
 * a line in label order.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";
import { RECORD_BYTES, type RecordSplit, recordSplit } from "./cifar-records.ts";
import { type ImageDataset, imageDataset, type ResidentDataset } from "./dataset.ts";
import { datasets } from "./index.ts";
import { firstBytes } from "./node-first-bytes.ts";

/** Bytes of a list of class names, of which there are at most 256. */
const MAX_LIST_BYTES = 2 ** 16;
const PIECE_RECORDS = 1000;
/** CIFAR-100's list of classes; its records have a coarse label before the fine one. */
const FINE_NAMES = "fine_label_names.txt";
const SPLITS = { train: /^(train|data_batch).*\.bin$/, test: /^test.*\.bin$/ } as const;

/** A data set and the fingerprint of the files it came from. */
export interface LoadedDataset<Data extends ImageDataset = ImageDataset> {
  readonly dataset: Data;
  /** SHA-256 over a folder's files in reading order, or over the checksums of a known data set's. */
  readonly fingerprint: string;
  /** Where its classes are from: a list in the folder (its name), the `labels` themselves, or the `definition` of a known data set. */
  readonly classesFrom: string;
  /** What each phase of a run trains on, where it has several; the last one's is the data set. */
  readonly phases?: readonly ImageDataset[];
}

/**
 * Reads a folder; the data set is named by its absolute path, and not augmented unless the run asks for it.
 *
 * @throws DataError when a split has no file, or a file is not one, cannot be read, is too large or not a whole number of records; when no
 * list of classes is there and the labels leave a gap.
 */
export function readRecordFolder(folder: string): LoadedDataset<ResidentDataset> {
  let names: string[];
  try {
    // Batch 10 comes after batch 9.
    names = readdirSync(folder).sort(new Intl.Collator("en", { numeric: true }).compare);
  } catch (error) {
    throw new DataError(
      `--dataset: cannot read the folder ${folder} (${(error as NodeJS.ErrnoException).code}); write ${Object.keys(datasets).join(", ")} or the path of a folder`,
      {
        cause: error,
      },
    );
  }
  const hash = createHash("sha256");
  const read = (split: "train" | "test") => {
    const files = names.filter((name) => SPLITS[split].test(name));
    if (files.length === 0) {
      const expected = split === "train" ? "train*.bin or data_batch*.bin" : "test*.bin";
      throw new DataError(`--dataset: ${folder} has no ${expected}; put CIFAR-10 records of 3073 bytes there`);
    }
    return readRecords(
      files.map((name) => join(folder, name)),
      hash,
      names.includes(FINE_NAMES) ? 2 : 1,
    );
  };
  const train = read("train");
  const test = read("test");
  const listed = names.find((name) => name === "batches.meta.txt" || name === "classes.txt" || name === FINE_NAMES);
  const classes = listed === undefined ? [] : readLines(join(folder, listed));
  const classNames = classes.length > 0 ? classes : classesOfLabels(folder, [train.labels, test.labels]);
  const dataset = imageDataset({ name: resolve(folder), classNames, shape: [3, 32, 32], train, test });
  return { dataset, fingerprint: hash.digest("hex"), classesFrom: classes.length > 0 ? (listed as string) : "labels" };
}

/** Numbers as class names, as many as the labels need; a label far above the others is a wrong one, and would add classes that nothing is of. */
function classesOfLabels(folder: string, splits: readonly Uint8Array[]): string[] {
  const images = new Uint32Array(256);
  for (const labels of splits) for (const label of labels) images[label] = (images[label] as number) + 1;
  const classes = Math.max(2, images.findLastIndex((found) => found > 0) + 1);
  const missing = images.subarray(0, classes).indexOf(0);
  if (missing >= 0) {
    const next = images.findIndex((found, label) => label > missing && found > 0);
    const above = next < 0 ? "" : `, yet label ${next} (${images[next]} image${images[next] === 1 ? "" : "s"}) is there`;
    throw new DataError(
      `--dataset: the labels in ${folder} must be 0, 1, 2 and so on without a gap; no image has label ${missing}${above}; correct the labels, or list the class names in classes.txt, one a line`,
    );
  }
  return Array.from({ length: classes }, (_, label) => String(label));
}

/** The records of all files, and the files' names and contents added to the hash. */
function readRecords(files: readonly string[], hash: Hash, labelBytes: number): RecordSplit {
  const recordBytes = RECORD_BYTES - 1 + labelBytes;
  const sizes = files.map((file) => reading(file, () => sizeOf(file, recordBytes)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > LIMITS.residentSplit) {
    throw new DataError(`--dataset: ${files.join(", ")} must hold at most ${LIMITS.residentSplit} bytes in all, got ${total}; use fewer images`);
  }
  const split = recordSplit(total / recordBytes, labelBytes);
  const piece = Buffer.alloc(PIECE_RECORDS * recordBytes);
  for (const [index, file] of files.entries()) {
    hash.update(basename(file));
    reading(file, () => {
      const descriptor = openSync(file, "r");
      try {
        for (let left = sizes[index] as number; left > 0; ) {
          const bytes = piece.subarray(0, Math.min(left, piece.length));
          for (let filled = 0; filled < bytes.length; ) {
            const read = readSync(descriptor, bytes, filled, bytes.length - filled, null);
            if (read === 0) throw new DataError(`--dataset: ${file} became shorter while it was read; try again`);
            filled += read;
          }
          hash.update(bytes);
          split.add(bytes);
          left -= bytes.length;
        }
      } finally {
        closeSync(descriptor);
      }
    });
  }
  return split;
}

/** Length of a file of records. */
function sizeOf(file: string, recordBytes: number): number {
  const found = statSync(file);
  // Opening a pipe would wait for somebody to write into it.
  if (!found.isFile()) throw new DataError(`--dataset: ${file} must be a file of records, is ${found.isDirectory() ? "a folder" : "not a file"}; move it away`);
  if (found.size === 0 || found.size % recordBytes !== 0) {
    throw new DataError(`--dataset: ${file} must hold records of ${recordBytes} bytes, got ${found.size} bytes; write it again`);
  }
  return found.size;
}

/** The lines of a text file that are not blank. */
function readLines(file: string): string[] {
  return reading(file, () => {
    const bytes = statSync(file).isFile() ? firstBytes(file, MAX_LIST_BYTES + 1) : undefined;
    if (bytes === undefined || bytes.length > MAX_LIST_BYTES) {
      throw new DataError(`--dataset: ${file} must be a text of at most ${MAX_LIST_BYTES} bytes that lists class names; write one name a line`);
    }
    return bytes
      .toString("utf8")
      .split(/\r?\n/)
      .filter((line) => line.trim() !== "");
  });
}

function reading<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`--dataset: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}); make it readable`, {
      cause: error,
    });
  }
}
