/** @file A training batch from the data set's bytes, cut out and augmented inside the compiled step. */
import { add, and, broadcastTo, convert, div, floor, foldIn, gather, ge, iota, lt, mul, reshape, sub, uniform, type Value, where } from "@gradalign/tensor";

/** Random crop and mirroring, as torchvision does them: zero padding, crop, then flip. */
export interface Augmentation extends Mixes {
  /** Zero padding in pixels of the random crop; 0 for none. */
  readonly crop: number;
  /** Mirror half of the images left to right. */
  readonly flip: boolean;
}

/** How a batch's images are mixed with each other after that; not at all where both are left out. */
export interface Mixes {
  /** Mixup with shares of Beta(mixup, mixup). */
  readonly mixup?: number | undefined;
  /** CutMix with shares of Beta(cutmix, cutmix). */
  readonly cutmix?: number | undefined;
}

/** The training set in device memory, or one batch of it where images are streamed. */
export interface TrainingData {
  /** uint8 [N, C, H, W]. */
  readonly images: Value;
  /** uint8 [N], or int32 of more than 256 classes. */
  readonly labels: Value;
}

/** What images are changed with: a key, and where a micro-batch stands in the batch that the key is of. */
export interface AugmentationDraw {
  readonly key: Value;
  /** Number of the first image in the batch, int32 [1], and how many images the batch has. */
  readonly part?: { readonly first: Value; readonly images: number };
}

/** Numbers of the examples at `position` (int32 [1]) of an epoch's order: int32 [batch]. */
export function batchRows(order: Value, position: Value, batchSize: number): Value {
  return gather(order, [add(iota([batchSize]), position)]);
}

/**
 * Images of these rows as float32 in [0, 1], augmented: [batch, C, H, W].
 *
 * One gather reads every pixel from where the crop and the flip take it; pixels of the padding are then set to zero.
 */
export function augmentedImages(images: Value, rows: Value, draw: AugmentationDraw, augmentation: Augmentation): Value {
  return augmentedRows(images, rows, draw, augmentation, toUnit);
}

/** The same of any tensor of the images' shape [examples, C, H, W], each element as `read` has it. */
export function augmentedRows(
  images: Value,
  rows: Value,
  { key, part }: AugmentationDraw,
  { crop, flip }: Augmentation,
  read: (pixels: Value) => Value,
): Value {
  const [, channels, height, width] = images.shape as [number, number, number, number];
  const batch = rows.shape[0] as number;
  if (crop === 0 && !flip) return read(gather(images, [rows]));
  const perExample = (v: Value): Value => reshape(v, [batch, 1, 1, 1]);
  const drawn = (stream: number): Value => {
    if (!part) return uniform(foldIn(key, stream), [batch]);
    return gather(uniform(foldIn(key, stream), [part.images]), [add(iota([batch]), part.first)]);
  };
  const shift = (stream: number): Value => sub(convert(floor(mul(drawn(stream), 2 * crop + 1)), "int32"), crop);

  const column = reshape(iota([width]), [1, 1, 1, width]);
  const mirrored = perExample(lt(drawn(2), flip ? 0.5 : 0));
  const y = add(reshape(iota([height]), [1, 1, height, 1]), perExample(shift(0)));
  const x = add(flip ? where(mirrored, sub(width - 1, column), column) : column, perExample(shift(1)));
  const pixels = gather(images, [perExample(rows), reshape(iota([channels]), [1, channels, 1, 1]), y, x]);
  if (crop === 0) return read(pixels);
  const within = and(and(ge(y, 0), lt(y, height)), and(ge(x, 0), lt(x, width)));
  return where(broadcastTo(within, pixels.shape), read(pixels), 0);
}

/** Bytes as float32 in [0, 1]. */
export function toUnit(pixels: Value): Value {
  return div(convert(pixels, "float32"), 255);
}
