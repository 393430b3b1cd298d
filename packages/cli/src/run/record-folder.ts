/**
 * @file A data set of one's own: a folder of files in CIFAR-10's binary format.
 *
 * Training images lie in `train*.bin` or `data_batch*.bin`, test images in `test*.bin`; each file is any number of records of
 * 3073 bytes (label, then 32 x 32 red, green and blue bytes). `batches.meta.txt` or `classes.txt` may list the class names, one
 * a line in label order.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DataError } from "@gradalign/tensor";
import { datasets, type ImageDataset, imageDataset } from "gradalign";

const RECORD_BYTES = 3073;
const PIXELS = RECORD_BYTES - 1;
const SPLITS = { train: /^(train|data_batch).*\.bin$/, test: /^test.*\.bin$/ } as const;

/** A data set and the fingerprint of the files it came from. */
export interface RecordFolder {
  readonly dataset: ImageDataset;
  /** SHA-256 over the files' contents in reading order. */
  readonly fingerprint: string;
}

/**
 * Reads a folder; the data set is named by its absolute path, and not augmented unless the run asks for it.
 *
 * @throws DataError when a split has no file, or a file is not a whole number of records.
 */
export function readRecordFolder(folder: string): RecordFolder {
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
    const contents = files.map((name) => {
      const bytes = readFileSync(join(folder, name));
      if (bytes.length === 0 || bytes.length % RECORD_BYTES !== 0) {
        throw new DataError(`--dataset: ${join(folder, name)} must hold records of ${RECORD_BYTES} bytes, got ${bytes.length} bytes; write it again`);
      }
      hash.update(name).update(bytes);
      return bytes;
    });
    return splitRecords(Buffer.concat(contents));
  };
  const train = read("train");
  const test = read("test");
  const listed = names.find((name) => name === "batches.meta.txt" || name === "classes.txt");
  const classes = listed
    ? readFileSync(join(folder, listed), "utf8")
        .split(/\r?\n/)
        .filter((line) => line.trim() !== "")
    : [];
  const most = [...train.labels, ...test.labels].reduce((largest, label) => Math.max(largest, label), 1);
  const classNames = classes.length > 0 ? classes : Array.from({ length: most + 1 }, (_, label) => String(label));
  const dataset = imageDataset({ name: resolve(folder), classNames, shape: [3, 32, 32], train, test });
  return { dataset, fingerprint: hash.digest("hex") };
}

function splitRecords(bytes: Uint8Array): { images: Uint8Array; labels: Uint8Array } {
  const count = bytes.length / RECORD_BYTES;
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const start = i * RECORD_BYTES;
    labels[i] = bytes[start] as number;
    images.set(bytes.subarray(start + 1, start + RECORD_BYTES), i * PIXELS);
  }
  return { images, labels };
}
