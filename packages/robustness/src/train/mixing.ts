/**
 * @file Mixup and CutMix: training on mixtures of two images, whose labels are mixed in the same shares.
 *
 * Zhang et al. 2018, mixup: Beyond empirical risk minimization, Eq. 1; Yun et al. 2019, CutMix, Eq. 1 and 2, with torchvision's rounding of the box.
 * The images of a batch are mixed in pairs, the first with the second and so on, and both of a pair with each other: so a micro-batch has the
 * mixtures that its images have in the whole batch. The share is one number for the batch, as in the authors' code. It is drawn outside of the
 * compiled step, from the batch's key; the step is the same program for either.
 */
import { add, and, broadcastTo, convert, flip, ge, iota, type Key, lt, mul, reshape, sub, type Value, where } from "@gradalign/tensor";
import { drawsOf } from "../draws.ts";
import { isLabel } from "../nn/cross-entropy.ts";
import type { Mixes } from "./batch.ts";

/** How the images of a batch are mixed. */
export interface Mixture {
  /** Share of the image itself in each of its pixels outside of the box, a scalar. */
  readonly pixels: Value;
  /** Share of the image's own label, a scalar. */
  readonly label: Value;
  /** Pixels that are the other image's: top, left, bottom and right, the last two not among them; each int32 [1]. */
  readonly box: readonly Value[];
}

/** The same on the host. */
export interface DrawnMixture {
  readonly pixels: number;
  readonly label: number;
  readonly box: readonly Int32Array[];
}

/** Whether images are mixed at all. */
export function isMixed({ mixup, cutmix }: Mixes): boolean {
  return mixup !== undefined || cutmix !== undefined;
}

/** The mixture of the batch of a key, for images [C, H, W]: Mixup's or CutMix's; where both are asked for, each in half of the batches. */
export function drawnMixture({ mixup, cutmix }: Mixes, key: Key, [, height, width]: readonly [number, number, number]): DrawnMixture {
  const draws = drawsOf(key);
  const isBox = cutmix !== undefined && (mixup === undefined || draws.integer(2) === 1);
  const share = symmetricBeta((isBox ? cutmix : mixup) ?? 1, () => draws.uniform(0, 1));
  return isBox ? boxMixture(share, { y: draws.integer(height), x: draws.integer(width) }, [height, width]) : blendMixture(share);
}

/** Mixup: every pixel of an image has this share of the mixture. */
export function blendMixture(share: number): DrawnMixture {
  return { pixels: share, label: share, box: boxOf(0, 0, 0, 0) };
}

/** CutMix: a box of about 1 − `share` of the pixels around a centre is the other image's; what is cut off at the edges counts for the label. */
export function boxMixture(share: number, { y, x }: { readonly y: number; readonly x: number }, [height, width]: readonly [number, number]): DrawnMixture {
  const half = (extent: number): number => Math.trunc(0.5 * Math.sqrt(1 - share) * extent);
  const [top, left] = [Math.max(y - half(height), 0), Math.max(x - half(width), 0)];
  const [bottom, right] = [Math.min(y + half(height), height), Math.min(x + half(width), width)];
  return { pixels: 1, label: 1 - ((bottom - top) * (right - left)) / (height * width), box: boxOf(top, left, bottom, right) };
}

function boxOf(...edges: readonly number[]): readonly Int32Array[] {
  return edges.map((edge) => Int32Array.of(edge));
}

/** A number of Beta(alpha, alpha), by Jöhnk's algorithm, in logarithms since powers of a small alpha are lost to double precision. */
function symmetricBeta(alpha: number, uniform: () => number): number {
  for (;;) {
    const [a, b] = [Math.log(1 - uniform()) / alpha, Math.log(1 - uniform()) / alpha];
    const most = Math.max(a, b);
    const sum = Math.exp(a - most) + Math.exp(b - most);
    if (most + Math.log(sum) <= 0) return Math.exp(a - most) / sum;
  }
}

/** Images [N, C, H, W] mixed in pairs; N is even. */
export function mixedImages(images: Value, { pixels, box }: Mixture): Value {
  const [, , height, width] = images.shape as [number, number, number, number];
  const [top, left, bottom, right] = box as [Value, Value, Value, Value];
  const other = others(images);
  const [y, x] = [reshape(iota([height]), [1, 1, height, 1]), reshape(iota([width]), [1, 1, 1, width])];
  const inside = and(and(ge(y, top), lt(y, bottom)), and(ge(x, left), lt(x, right)));
  return where(broadcastTo(inside, images.shape), other, add(mul(images, pixels), mul(other, sub(1, pixels))));
}

/** Shares of the classes for images mixed so: integer labels [N] to float32 [N, classes]. */
export function mixedLabels(labels: Value, classes: number, { label }: Mixture): Value {
  const whole = convert(isLabel({ shape: [labels.shape[0] as number, classes] }, labels), "float32");
  return add(mul(whole, label), mul(others(whole), sub(1, label)));
}

/** For each of a batch the other of its pair. */
function others(batch: Value): Value {
  const [count, ...each] = batch.shape as [number, ...number[]];
  return reshape(flip(reshape(batch, [count / 2, 2, ...each]), [1]), batch.shape);
}
