/** @file Batches of a split for evaluation: fixed size, unaugmented, every example known by its number. */
import { type Tensor, tensor } from "@gradalign/tensor";
import type { ImageSplit } from "../data/dataset.ts";

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

/** Examples `first` to `first + size - 1` of the first `total` of a split, whose images have shape [C, H, W]. */
export function exampleBatch(split: ImageSplit, imageShape: readonly number[], first: number, size: number, total: number): ExampleBatch {
  const count = Math.min(size, total - first);
  const indices = Array.from({ length: size }, (_, i) => first + Math.min(i, count - 1));
  const pixels = imageShape.reduce((product, extent) => product * extent, 1);
  const x = new Float32Array(size * pixels);
  indices.forEach((index, i) => {
    for (let j = 0; j < pixels; j++) x[i * pixels + j] = (split.images[index * pixels + j] as number) / 255;
  });
  const labels = Int32Array.from(indices, (index) => split.labels[index] as number);
  return { x: tensor(x, [size, ...imageShape]), labels: tensor(labels), indices, count };
}

/** All batches of the first `total` examples. */
export function exampleBatches(split: ImageSplit, imageShape: readonly number[], size: number, total: number): ExampleBatch[] {
  return Array.from({ length: Math.ceil(total / size) }, (_, i) => exampleBatch(split, imageShape, i * size, size, total));
}

/** Frees a batch's tensors. */
export function disposeBatch({ x, labels }: ExampleBatch): void {
  x.dispose();
  labels.dispose();
}
