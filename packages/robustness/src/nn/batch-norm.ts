/** @file Batch normalisation over N, H and W of an NCHW tensor, as PyTorch computes it. */
import { add, broadcastAlong, div, mean, mul, ShapeError, sqrt, square, stopGradient, sub, type Value } from "@gradalign/tensor";

/** Settings of a batch norm; PyTorch's defaults. */
export interface BatchNormOptions {
  /** Statistics of the batch, and moving the running ones. */
  readonly train: boolean;
  /** Added to variances; 1e-5 unless set. */
  readonly epsilon?: number;
  /** How far the running statistics move towards the batch's; 0.1 unless set. */
  readonly momentum?: number;
}

/** Per-channel tensors [C]. */
export interface BatchNormTensors {
  readonly weight: Value;
  readonly bias: Value;
  readonly runningMean: Value;
  readonly runningVar: Value;
}

/** Output and the running statistics after it (the same ones in eval mode). */
export interface BatchNormResult {
  readonly y: Value;
  readonly runningMean: Value;
  readonly runningVar: Value;
}

/**
 * y = (x - mean) / sqrt(var + epsilon) * weight + bias.
 *
 * In train mode mean and (biased) variance are the batch's, and the running statistics move part of the way to the batch's mean
 * and unbiased variance; else they are the running ones.
 * @throws ShapeError in train mode with a single value per channel, which has no variance.
 */
export function batchNorm(x: Value, tensors: BatchNormTensors, { train, epsilon = 1e-5, momentum = 0.1 }: BatchNormOptions): BatchNormResult {
  const { weight, bias, runningMean, runningVar } = tensors;
  const perChannel = (v: Value): Value => broadcastAlong(v, x.shape, [1]);
  const center = train ? mean(x, [0, 2, 3]) : runningMean;
  const centered = sub(x, perChannel(center));
  const variance = train ? mean(square(centered), [0, 2, 3]) : runningVar;
  const scale = div(weight, sqrt(add(variance, epsilon)));
  const y = add(mul(centered, perChannel(scale)), perChannel(bias));
  if (!train) return { y, runningMean, runningVar };
  const [n, , height, width] = x.shape as [number, number, number, number];
  const count = n * height * width;
  if (count < 2) throw new ShapeError(`batchNorm: training needs more than one value per channel, got x of shape [${x.shape.join(", ")}]`);
  return { y, runningMean: moveTowards(runningMean, center, momentum), runningVar: moveTowards(runningVar, mul(variance, count / (count - 1)), momentum) };
}

function moveTowards(running: Value, batch: Value, momentum: number): Value {
  return add(mul(running, 1 - momentum), mul(stopGradient(batch), momentum));
}
