/**
 * @file Where a split's images come from: bytes in memory (resident), or images that are read, decoded and transformed as they are
 * needed (streamed). Whoever takes images, takes an {@link ImageSource}.
 *
 * What a source yields is a function of seed, epoch and the image's number alone. So any order of the images is exact, any number of
 * workers gives the same bits, and a run goes on in the middle of an epoch.
 */
import { DataError } from "@gradalign/tensor";

/** Class numbers, one per image: bytes for at most 256 classes, int32 for more. */
export type Labels = Uint8Array | Int32Array;

/** As many classes have labels of one byte each, on the device too. */
const BYTE_CLASSES = 256;

/** Room for so many labels of so many classes. */
export function labelsFor(count: number, classes: number): Labels {
  return classes > BYTE_CLASSES ? new Int32Array(count) : new Uint8Array(count);
}

/** Which of its random variants an image is wanted in: that of an epoch of a run. */
export interface Draw {
  readonly seed: number;
  /** From 0; epoch 0 is the one batch that only initialises a training's statistics. */
  readonly epoch: number;
}

/** Images in memory. */
export interface ImageSplit {
  /** Pixels 0..255 as [count, C, H, W], row-major. */
  readonly images: Uint8Array;
  /** Class index of each image, [count]. */
  readonly labels: Labels;
  readonly count: number;
}

/** Images that are read as they are needed; only their labels are in memory. */
export interface StreamedSplit {
  /** Class index of each image, [count]. */
  readonly labels: Labels;
  readonly count: number;
  /** Shape of the images as they are yielded: [channels, height, width]. */
  readonly shape: readonly [number, number, number];
  /** Whether a {@link Draw} moves their pixels, so that what is kept for an image from epoch to epoch would lie beside it. */
  readonly varies: boolean;
  /**
   * Starts reading.
   *
   * @param workers threads that read and decode beside the caller's; with 0 the caller's does, while it waits.
   */
  open(workers: number): Promise<ImageReader>;
}

/** One part (training, test) of a data set, of either kind. */
export type ImageSource = ImageSplit | StreamedSplit;

/** Yields a source's images. */
export interface ImageReader {
  /**
   * Writes the pixels of the images of these numbers into `into`, one after the other as [C, H, W]. Reads may be asked for while others are
   * under way; they are done in order. Memory that threads share (`sharedBytes`) spares a copy.
   *
   * @param draw the random variant; the one that is evaluated where null.
   * @throws DataError that names the file, when one cannot be read.
   */
  read(indices: Int32Array, draw: Draw | null, into: Uint8Array): Promise<void>;
  /** Ends its threads; reads that are under way are rejected. */
  close(): Promise<void>;
}

/**
 * What a streamed source of files does for one image, in whichever thread: the only part that a kind of source writes itself. A module that
 * exports `decoder(data)`, which makes one of plain data, is all that `streamedSplit` needs.
 */
export interface ImageDecoder {
  /** Writes image `index` as [C, H, W] into `into`. */
  decode(index: number, draw: Draw | null, into: Uint8Array): void | Promise<void>;
}

/** Whether a source's images are all in memory. */
export function isResident(source: ImageSource): source is ImageSplit {
  return "images" in source;
}

/**
 * Opens a source of either kind.
 *
 * @param size values in one image.
 */
export function openSource(source: ImageSource, size: number, workers = 0): Promise<ImageReader> {
  return isResident(source) ? Promise.resolve(residentReader(source, size)) : source.open(workers);
}

function residentReader({ images }: ImageSplit, size: number): ImageReader {
  return {
    async read(indices, _, into) {
      for (const [i, index] of indices.entries()) into.set(images.subarray(index * size, (index + 1) * size), i * size);
    },
    async close() {},
  };
}

/** Images `first` to `first + count - 1` as float32 [count, C, H, W] in [0, 1]; no random variant. */
export async function readImages(source: ImageSource, shape: readonly number[], first: number, count: number): Promise<Float32Array> {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const reader = await openSource(source, size);
  try {
    const bytes = new Uint8Array(count * size);
    await reader.read(
      Int32Array.from({ length: count }, (_, i) => first + i),
      null,
      bytes,
    );
    return unitPixels(bytes);
  } finally {
    await reader.close();
  }
}

/** Bytes as float32 in [0, 1]. */
export function unitPixels(bytes: Uint8Array): Float32Array {
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) pixels[i] = (bytes[i] as number) / 255;
  return pixels;
}

/** Memory that threads share, where there is any. */
export function sharedBytes(length: number): Uint8Array {
  return typeof SharedArrayBuffer === "undefined" ? new Uint8Array(length) : new Uint8Array(new SharedArrayBuffer(length));
}

/** The images from `first` on, `count` of them, in the source's own memory; as many must be there. */
export function sliceSource<Source extends ImageSource>(source: Source, first: number, count: number): Source;
export function sliceSource(source: ImageSource, first: number, count: number): ImageSource {
  const labels = source.labels.subarray(first, first + count);
  if (isResident(source)) {
    const size = source.images.length / source.count;
    return Object.freeze({ images: source.images.subarray(first * size, (first + count) * size), labels, count });
  }
  return Object.freeze({
    ...{ ...source, labels, count },
    async open(workers: number) {
      const reader = await source.open(workers);
      const moved = (indices: Int32Array): Int32Array => (first === 0 ? indices : indices.map((index) => first + index));
      return { ...reader, read: (indices: Int32Array, draw: Draw | null, into: Uint8Array) => reader.read(moved(indices), draw, into) };
    },
  });
}

/**
 * A source's images in memory, as they are evaluated.
 *
 * @param most bytes that they may take.
 * @throws DataError when they would take more.
 */
export async function residentSplit(source: ImageSource, shape: readonly number[], most: number): Promise<ImageSplit> {
  if (isResident(source)) return source;
  const { labels, count } = source;
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (count * size > most)
    throw new DataError(`${count} images of ${size} bytes need more than ${most} bytes of memory; take at most ${Math.floor(most / size)}`);
  const images = new Uint8Array(count * size);
  const reader = await source.open(0);
  try {
    await reader.read(
      Int32Array.from(labels, (_, i) => i),
      null,
      images,
    );
  } finally {
    await reader.close();
  }
  return { images, labels, count };
}
