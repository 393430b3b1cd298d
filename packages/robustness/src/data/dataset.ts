/** @file Image datasets: what a training run reads, wherever the images come from. */
import { DataError } from "@gradalign/tensor";
import { type ImageSource, type ImageSplit, type Labels, labelsFor, type StreamedSplit, sliceSource } from "./source.ts";

/** A labelled image dataset together with the augmentation its training recipe uses. */
export interface ImageDataset {
  readonly name: string;
  /** Class names; a label is an index into this list. */
  readonly classNames: readonly string[];
  /** One image's shape: [channels, height, width]. */
  readonly shape: readonly [number, number, number];
  readonly train: ImageSource;
  readonly test: ImageSource;
  /** Whether training mirrors images left to right at random. */
  readonly flip: boolean;
  /** Zero padding of the random training crop, in pixels; 0 means no crop. */
  readonly crop: number;
}

/** A dataset whose images are all in memory. */
export interface ResidentDataset extends ImageDataset {
  readonly train: ImageSplit;
  readonly test: ImageSplit;
}

/** Images and labels of one split as handed to {@link imageDataset}. */
export interface SplitArrays {
  /** Pixels 0..255 as [count, C, H, W], row-major. */
  readonly images: Uint8Array;
  /** Class indices, [count]. */
  readonly labels: Labels | Uint16Array | readonly number[];
}

/** What {@link imageDataset} is given. */
export interface ImageDatasetOptions<Split = SplitArrays | StreamedSplit> {
  readonly name: string;
  readonly classNames: readonly string[];
  readonly shape: readonly [number, number, number];
  readonly train: Split;
  readonly test: Split;
  /** Random left-right mirroring while training; false unless set. */
  readonly flip?: boolean;
  /** Padding of the random crop in pixels; 0 (no crop) unless set. */
  readonly crop?: number;
}

/** A model's last layer has a row for each. */
const MAX_CLASSES = 2 ** 20;

/**
 * Makes a dataset of arrays the caller already has, without copying the pixels, or of streamed sources.
 *
 * @throws DataError when shape, sizes, labels or augmentation settings do not fit together.
 * @example
 * const data = imageDataset({
 *   name: "two-dots", classNames: ["left", "right"], shape: [1, 8, 8],
 *   train: { images: new Uint8Array(100 * 64), labels: new Uint8Array(100) },
 *   test: { images: new Uint8Array(20 * 64), labels: new Uint8Array(20) },
 * });
 */
export function imageDataset(options: ImageDatasetOptions<SplitArrays>): ResidentDataset;
export function imageDataset(options: ImageDatasetOptions): ImageDataset;
export function imageDataset(options: ImageDatasetOptions): ImageDataset {
  if (typeof options !== "object" || options === null) {
    throw new DataError(`imageDataset: expected a description of a data set, got ${String(options)}; pass { name, classNames, shape, train, test }`);
  }
  const { name, classNames, shape, flip = false, crop = 0 } = options;
  if (typeof name !== "string" || name === "") throw new DataError("imageDataset: name must be a non-empty string; give the dataset a name");
  if (!Array.isArray(classNames) || classNames.length < 1 || classNames.length > MAX_CLASSES) {
    throw new DataError(`imageDataset: classNames must list 1 to ${MAX_CLASSES} names, got ${String(classNames?.length)}; list one name per class`);
  }
  if (!Array.isArray(shape) || shape.length !== 3 || !shape.every((size) => Number.isInteger(size) && size > 0)) {
    throw new DataError(`imageDataset: shape must be three positive integers [channels, height, width], got ${JSON.stringify(shape)}`);
  }
  const [, height, width] = shape;
  if (!Number.isInteger(crop) || crop < 0 || crop >= Math.min(height, width)) {
    throw new DataError(
      `imageDataset: crop (=${crop}) must be an integer from 0 to ${Math.min(height, width) - 1}, below the image's height and width; use 0 for no random crop`,
    );
  }
  return Object.freeze({
    name,
    classNames: Object.freeze([...classNames]),
    shape: Object.freeze([...shape] as [number, number, number]),
    train: makeSplit("train", options.train, shape, classNames.length),
    test: makeSplit("test", options.test, shape, classNames.length),
    flip,
    crop,
  });
}

/**
 * The first `n` examples of a split, sharing its memory.
 *
 * @throws DataError when `n` is not an integer from 1 to the split's count.
 */
export function takeFirst<Source extends ImageSource>(split: Source, n: number): Source {
  if (!Number.isInteger(n) || n < 1 || n > split.count) {
    throw new DataError(`takeFirst: n (=${n}) must be an integer from 1 to ${split.count}, the number of examples in the split`);
  }
  return sliceSource(split, 0, n);
}

/** The last `n` examples of a split, sharing its memory; `n` is at most the split's count. */
export function takeLast(split: ImageSource, n: number): ImageSource {
  return sliceSource(split, split.count - n, n);
}

/**
 * Refuses images that are not bytes, labels that are not as many, and labels of no class.
 *
 * @param where what messages begin with, e.g. `imageDataset: train`.
 * @throws DataError that names the first fault.
 */
export function checkSplit(
  where: string,
  split: (SplitArrays | StreamedSplit) & { readonly count: number },
  { classes, shape }: { readonly classes: number; readonly shape: readonly number[] },
): void {
  const { labels, count } = split;
  if ("images" in split) checkPixels(where, split.images);
  else checkStream(where, split, shape);
  if (labels.length !== count) throw new DataError(`${where}.labels must be ${count} class numbers, one per image, got ${labels.length}`);
  for (let i = 0; i < count; i++) {
    const label = labels[i] as number;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new DataError(`${where}.labels[${i}] (=${label}) must be an integer from 0 to ${classes - 1}, one per class name; number the classes from 0`);
    }
  }
}

function checkPixels(where: string, images: unknown): void {
  // Node's Buffer and a Uint8Array of another realm pass; a float array would silently lose its fractions, so it is refused.
  if (ArrayBuffer.isView(images) && Object.prototype.toString.call(images) === "[object Uint8Array]") return;
  throw new DataError(
    `${where}.images must be a Uint8Array of pixels 0..255, got ${Object.prototype.toString.call(images).slice(8, -1)}; multiply images in [0, 1] by 255 and round`,
  );
}

function checkStream(where: string, { open, shape: yielded }: StreamedSplit, shape: readonly number[]): void {
  if (typeof open !== "function") throw new DataError(`${where} must have images, or open() to read them with; pass { images, labels } or a streamed split`);
  if (yielded.join() !== shape.join()) {
    throw new DataError(`${where}.shape must be [${shape.join(", ")}], that of the other images, got [${yielded.join(", ")}]; yield images of one size`);
  }
}

function makeSplit(which: string, given: SplitArrays | StreamedSplit, shape: readonly [number, number, number], classes: number): ImageSource {
  const count = given.labels.length;
  if (count === 0) throw new DataError(`imageDataset: ${which} has no examples; each split needs at least one`);
  checkSplit(`imageDataset: ${which}`, { ...given, count }, { classes, shape });
  const labels = labelArray(given.labels, classes);
  if (!("images" in given)) return Object.freeze({ ...given, labels, count });
  const { images } = given;
  const size = shape[0] * shape[1] * shape[2];
  if (images.length !== count * size) {
    throw new DataError(
      `imageDataset: ${which}.images must hold ${count} labels x ${shape.join(" x ")} = ${count * size} bytes, got ${images.length}; images and labels must have the same count`,
    );
  }
  return Object.freeze({ images, labels, count });
}

/** Labels in the type that so many classes have; not copied where they are. */
export function labelArray(labels: SplitArrays["labels"], classes: number): Labels {
  const made = labelsFor(labels.length, classes);
  if (labels instanceof Uint8Array && made instanceof Uint8Array) return labels;
  if (labels instanceof Int32Array && made instanceof Int32Array) return labels;
  made.set(labels);
  return made;
}
