/** @file Batches of a split for evaluation: fixed size, unaugmented, every example known by its number. */
import { ConfigError, DataError, sizeOf, type Tensor, tensor, zeros } from "@gradalign/tensor";
import { checkSplit } from "../data/dataset.ts";
import { type ImageReader, type ImageSource, isResident, openSource, unitPixels } from "../data/source.ts";
import type { Model } from "../models/model.ts";
import type { Params } from "../nn/params.ts";
import type { Threat } from "../threat/threat.ts";

/** A batch in memory; its last examples repeat the split's last one if the split does not fill it. */
export interface ExampleBatch {
  /** float32 [size, C, H, W] in [0, 1]. */
  readonly x: Tensor;
  /** int32 [size]. */
  readonly labels: Tensor;
  /** Number in the split of each example. */
  readonly indices: readonly number[];
  /** How many of them are not repetitions. */
  readonly count: number;
}

/**
 * Refuses what is no labelled set of images, or none of the model's; returns the images' shape [C, H, W].
 *
 * @param where the function, which messages begin with.
 * @param given the images' shape; the model's own unless set.
 * @throws DataError for the split; ConfigError where the shape is not known.
 */
export function checkEvaluation(where: string, model: Model, params: Params, state: Params, split: ImageSource, given?: readonly number[]): readonly number[] {
  const shape = given ?? (model.config["shape"] as readonly number[] | undefined);
  if (!shape) throw new ConfigError(`${where}: the model ${model.name} does not say its image shape; pass imageShape, e.g. [3, 32, 32]`);
  if (!Number.isInteger(split.count) || split.count < 1)
    throw new DataError(`${where}: split.count (=${split.count}) must be the number of its images; pass a split of a data set, e.g. dataset.test`);
  const size = isResident(split) ? split.images.length / split.count : sizeOf(split.shape);
  if (sizeOf(shape) !== size) {
    throw new DataError(`${where}: images have ${size} values each, the model ${model.name} expects [${shape.join(", ")}]`);
  }
  // Values are lazy: this finds the number of classes and computes nothing.
  const [, classes] = model.apply(params, state, zeros([1, ...shape]), { train: false }).logits.shape;
  checkSplit(`${where}: split`, split, { classes: classes as number, shape });
  return shape;
}

/**
 * Refuses a radius that is none, or one in another unit.
 *
 * @throws ConfigError
 */
export function checkRadius(where: string, epsilon: number, { name }: Pick<Threat, "name">): void {
  if (!(epsilon >= 0 && Number.isFinite(epsilon))) throw new ConfigError(`${where}: epsilon (=${epsilon}) must be a number of at least 0`);
  if (name === "linf" && epsilon > 1) {
    throw new ConfigError(`${where}: epsilon (=${epsilon}) must be at most 1; it is in pixel units of [0, 1], so eight levels are 8 / 255`);
  }
}

/** Values in a batch of 128 images of 64 x 64 pixels, about as much memory as a training step takes. */
const MOST_VALUES = 128 * 3 * 64 * 64;

/** How many images are evaluated at a time: `most`, or less of large ones. */
export function evaluationBatch(imageShape: readonly number[], most: number): number {
  return Math.max(1, Math.min(most, Math.floor(MOST_VALUES / sizeOf(imageShape))));
}

/** A source that is being evaluated, in order and in batches of one size. */
export interface Examples {
  /** Examples `first` to `first + size - 1` of the first `total`. */
  batch(first: number): Promise<ExampleBatch>;
  close(): Promise<void>;
}

/** Opens the first `total` images of a source, of shape [C, H, W], for batches of `size`. */
export async function openExamples(source: ImageSource, imageShape: readonly number[], size: number, total: number, workers?: number): Promise<Examples> {
  const pixels = sizeOf(imageShape);
  const reader: ImageReader = await openSource(source, pixels, workers);
  return {
    async batch(first) {
      const count = Math.min(size, total - first);
      const indices = Array.from({ length: size }, (_, i) => first + Math.min(i, count - 1));
      const bytes = new Uint8Array(size * pixels);
      await reader.read(Int32Array.from(indices), null, bytes);
      const labels = Int32Array.from(indices, (index) => source.labels[index] as number);
      return { x: tensor(unitPixels(bytes), [size, ...imageShape]), labels: tensor(labels), indices, count };
    },
    close: () => reader.close(),
  };
}

/** All batches of the first `total` examples. */
export async function exampleBatches(
  source: ImageSource,
  imageShape: readonly number[],
  size: number,
  total: number,
  workers?: number,
): Promise<ExampleBatch[]> {
  const examples = await openExamples(source, imageShape, size, total, workers);
  const batches: ExampleBatch[] = [];
  try {
    for (let first = 0; first < total; first += size) batches.push(await examples.batch(first));
    return batches;
  } finally {
    await examples.close();
  }
}

/** Frees a batch's tensors. */
export function disposeBatch({ x, labels }: ExampleBatch): void {
  x.dispose();
  labels.dispose();
}
