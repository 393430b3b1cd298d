/** @file Image datasets as plain bytes: what a training run reads, wherever the images came from. */
import { DataError } from "@gradalign/tensor";

/** One part (training or test) of a dataset. */
export interface ImageSplit {
  /** Pixels 0..255 as [count, C, H, W], row-major. */
  readonly images: Uint8Array;
  /** Class index of each image, [count]. */
  readonly labels: Uint8Array;
  readonly count: number;
}

/** A labelled image dataset together with the augmentation its training recipe uses. */
export interface ImageDataset {
  readonly name: string;
  /** Class names; a label is an index into this list. */
  readonly classNames: readonly string[];
  /** One image's shape: [channels, height, width]. */
  readonly shape: readonly [number, number, number];
  readonly train: ImageSplit;
  readonly test: ImageSplit;
  /** Whether training mirrors images left to right at random. */
  readonly flip: boolean;
  /** Zero padding of the random training crop, in pixels; 0 means no crop. */
  readonly crop: number;
}

/** Images and labels of one split as handed to {@link imageDataset}. */
export interface SplitArrays {
  /** Pixels 0..255 as [count, C, H, W], row-major. */
  readonly images: Uint8Array;
  /** Class indices, [count]. */
  readonly labels: Uint8Array | readonly number[];
}

/** What {@link imageDataset} is given. */
export interface ImageDatasetOptions {
  readonly name: string;
  readonly classNames: readonly string[];
  readonly shape: readonly [number, number, number];
  readonly train: SplitArrays;
  readonly test: SplitArrays;
  /** Random left-right mirroring while training; false unless set. */
  readonly flip?: boolean;
  /** Padding of the random crop in pixels; 0 (no crop) unless set. */
  readonly crop?: number;
}

/** Labels are bytes, so no dataset has more classes than this. */
const MAX_CLASSES = 256;

/**
 * Makes a dataset of arrays the caller already has, without copying the pixels.
 *
 * @throws DataError when shape, sizes, labels or augmentation settings do not fit together.
 * @example
 * const data = imageDataset({
 *   name: "two-dots", classNames: ["left", "right"], shape: [1, 8, 8],
 *   train: { images: new Uint8Array(100 * 64), labels: new Uint8Array(100) },
 *   test: { images: new Uint8Array(20 * 64), labels: new Uint8Array(20) },
 * });
 */
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
export function takeFirst(split: ImageSplit, n: number): ImageSplit {
  if (!Number.isInteger(n) || n < 1 || n > split.count) {
    throw new DataError(`takeFirst: n (=${n}) must be an integer from 1 to ${split.count}, the number of examples in the split`);
  }
  return sliceSplit(split, 0, n);
}

/** The last `n` examples of a split, sharing its memory; `n` is at most the split's count. */
export function takeLast(split: ImageSplit, n: number): ImageSplit {
  return sliceSplit(split, split.count - n, n);
}

/** The examples from `first` on, `count` of them, sharing the split's memory; as many must be there. */
export function sliceSplit(split: ImageSplit, first: number, count: number): ImageSplit {
  const size = split.images.length / split.count;
  const images = split.images.subarray(first * size, (first + count) * size);
  return Object.freeze({ images, labels: split.labels.subarray(first, first + count), count });
}

/**
 * Refuses images that are not bytes, labels that are not as many, and labels of no class.
 *
 * @param where what messages begin with, e.g. `imageDataset: train`.
 * @throws DataError that names the first fault.
 */
export function checkSplit(where: string, { images, labels, count }: SplitArrays & { readonly count: number }, classes: number): void {
  // Node's Buffer and a Uint8Array of another realm pass; a float array would silently lose its fractions, so it is refused.
  if (!ArrayBuffer.isView(images) || Object.prototype.toString.call(images) !== "[object Uint8Array]") {
    throw new DataError(
      `${where}.images must be a Uint8Array of pixels 0..255, got ${Object.prototype.toString.call(images).slice(8, -1)}; multiply images in [0, 1] by 255 and round`,
    );
  }
  if (labels.length !== count) throw new DataError(`${where}.labels must be ${count} class numbers, one per image, got ${labels.length}`);
  for (let i = 0; i < count; i++) {
    const label = labels[i] as number;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new DataError(`${where}.labels[${i}] (=${label}) must be an integer from 0 to ${classes - 1}, one per class name; number the classes from 0`);
    }
  }
}

function makeSplit(which: string, arrays: SplitArrays, shape: readonly [number, number, number], classes: number): ImageSplit {
  const { images } = arrays;
  const size = shape[0] * shape[1] * shape[2];
  const count = arrays.labels.length;
  if (count === 0) throw new DataError(`imageDataset: ${which} has no examples; each split needs at least one`);
  checkSplit(`imageDataset: ${which}`, { ...arrays, count }, classes);
  if (images.length !== count * size) {
    throw new DataError(
      `imageDataset: ${which}.images must hold ${count} labels x ${shape.join(" x ")} = ${count * size} bytes, got ${images.length}; images and labels must have the same count`,
    );
  }
  const labels = arrays.labels instanceof Uint8Array ? arrays.labels : Uint8Array.from(arrays.labels);
  return Object.freeze({ images, labels, count });
}
