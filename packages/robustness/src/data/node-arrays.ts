/**
 * @file Images in NumPy's arrays: a folder with `x_train.npy`, `y_train.npy`, `x_test.npy` and `y_test.npy`, one `.npz` file with the same, or one
 * `.npy` file of images to evaluate, such as CIFAR-10.1's and those of CIFAR-10-C, with its labels beside it.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { type ByteSource, bytesSource, readZip } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { fileSource } from "../files/node-byte-source.ts";
import { readRegularFile } from "../files/node-read.ts";
import { LIMITS } from "../limits.ts";
import { cifar10 } from "./cifar10.ts";
import { imageDataset, type ResidentDataset } from "./dataset.ts";
import { npyImages, npyLabels, readNpy } from "./npy.ts";

/** Images of one severity in CIFAR-10-C's files, which have five of them. */
const SEVERITY_IMAGES = 10_000;

/** Arrays of images and their labels, by name. */
type OpenArray = (name: string) => ByteSource | undefined;

/** A data set and what it is of. */
export interface ArrayDataset {
  readonly dataset: ResidentDataset;
  /** SHA-256 over pixels and labels in order. */
  readonly fingerprint: string;
  /** Whether the names of the classes are in a list. */
  readonly listed: boolean;
}

/** Whether a folder holds arrays. */
export function isArrayFolder(folder: string): boolean {
  return existsSync(join(folder, "x_train.npy"));
}

/**
 * The data set of a folder of arrays.
 *
 * @throws DataError when an array is missing, damaged, too large or of another form.
 */
export function readArrayFolder(folder: string): ArrayDataset {
  const list = join(folder, "classes.txt");
  const names = existsSync(list) ? lines(readRegularFile(list)) : undefined;
  return fromArrays(folder, names, (name) => (existsSync(join(folder, `${name}.npy`)) ? fileSource(join(folder, `${name}.npy`)) : undefined));
}

/** The data set of a .npz file; errors as in {@link readArrayFolder}. */
export function readNpz(file: string): ArrayDataset {
  const entries = readZip(fileSource(file), (bytes, size) => inflateRawSync(bytes, { maxOutputLength: size }));
  return fromArrays(file, undefined, (name) => {
    const entry = entries.get(`${name}.npy`);
    if (entry && entry.size > LIMITS.residentSplit)
      throw new DataError(`${file}: ${name} has ${entry.size} bytes, more than the limit of ${LIMITS.residentSplit}; make shards of it`);
    return entry ? bytesSource(entry.read()) : undefined;
  });
}

/**
 * The data set of one array of images to evaluate; it has no others, so its training images are the same.
 *
 * @param severity of CIFAR-10-C's files: 1 to 5; all of them where undefined.
 * @throws DataError as {@link readArrayFolder}, and when no labels are there.
 */
export function readEvaluationArray(file: string, severity?: number): ArrayDataset {
  const candidates = [basename(file).replace(/data(?=[^/]*\.npy$)/, "labels"), "labels.npy"].filter((name) => name !== basename(file));
  const labelsFile = candidates.map((name) => join(dirname(file), name)).find((path) => existsSync(path));
  if (labelsFile === undefined) throw new DataError(`${file} has no labels beside it; put them into ${candidates[candidates.length - 1]}`);
  const images = npyImages(readNpy(fileSource(file), file), file);
  const labels = npyLabels(readNpy(fileSource(labelsFile), labelsFile), labelsFile);
  const [first, count] = severity === undefined ? [0, images.count] : [(severity - 1) * SEVERITY_IMAGES, SEVERITY_IMAGES];
  if (first + count > images.count)
    throw new DataError(`${file} has no severity ${severity}: it has ${images.count} images, ${SEVERITY_IMAGES} for each; leave it out`);
  if (labels.length !== images.count)
    throw new DataError(`${labelsFile} has ${labels.length} labels, ${basename(file)} has ${images.count} images; take those of the same set`);
  const size = images.shape.reduce((product, extent) => product * extent, 1);
  if (count * size > LIMITS.residentSplit) throw new DataError(`${file} has ${count} images of ${size} bytes, more than the limit; divide it`);
  const split = { images: images.read(first, count), labels: labels.subarray(first, first + count) };
  const classNames = size === 3072 && split.labels.every((label) => label < 10) ? cifar10.classNames : numbered(split.labels);
  return { ...finished(file, classNames, images.shape, split, split), listed: false };
}

function fromArrays(name: string, names: readonly string[] | undefined, open: OpenArray): ArrayDataset {
  const split = (which: "train" | "test") => {
    const [x, y] = [`x_${which}`, `y_${which}`];
    const [pixels, classes] = [open(x), open(y)];
    if (!pixels || !classes) throw new DataError(`${name} must have the arrays x_train, y_train, x_test and y_test, has no ${pixels ? y : x}; save it too`);
    const images = npyImages(readNpy(pixels, `${name}: ${x}`), `${name}: ${x}`);
    const labels = npyLabels(readNpy(classes, `${name}: ${y}`), `${name}: ${y}`);
    if (images.count !== labels.length)
      throw new DataError(`${name}: ${x} has ${images.count} images, ${y} ${labels.length} labels; save arrays that belong together`);
    if (pixels.size > LIMITS.residentSplit)
      throw new DataError(`${name}: ${x} has ${pixels.size} bytes, more than the limit of ${LIMITS.residentSplit}; make shards of it`);
    return { shape: images.shape, images: images.read(0, images.count), labels };
  };
  const [train, test] = [split("train"), split("test")];
  if (train.shape.join() !== test.shape.join())
    throw new DataError(`${name}: images of training and test must have one size, got [${train.shape}] and [${test.shape}]`);
  return { ...finished(name, names ?? numbered(train.labels, test.labels), train.shape, train, test), listed: names !== undefined };
}

interface Arrays {
  readonly images: Uint8Array;
  readonly labels: Int32Array;
}

function finished(name: string, classNames: readonly string[], shape: readonly [number, number, number], train: Arrays, test: Arrays) {
  const hash = createHash("sha256");
  for (const { images, labels } of [train, test]) hash.update(images).update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
  return { dataset: imageDataset({ name, classNames, shape, train, test }), fingerprint: hash.digest("hex") };
}

/** Numbers as class names, as many as the labels need, and two at least. */
function numbered(...splits: readonly Int32Array[]): string[] {
  const highest = splits.reduce((most, labels) => labels.reduce((a, b) => Math.max(a, b), most), 1);
  return Array.from({ length: highest + 1 }, (_, label) => String(label));
}

function lines(bytes: Buffer): string[] {
  return bytes
    .toString("utf8")
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
}
