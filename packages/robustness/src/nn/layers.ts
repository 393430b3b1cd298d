/** @file Layers without state. Images are NCHW; filters OIHW; linear weights [out, in], as in PyTorch. */
import { add, broadcastAlong, type ConvOptions, conv2d, gt, matmul, mean, transpose, type Value, where } from "@gradalign/tensor";

/** Convolution of x [N, C, H, W] with weight [K, C, R, S] and an optional bias [K]: [N, K, OH, OW]. */
export function convolution(x: Value, weight: Value, bias?: Value, options: ConvOptions = {}): Value {
  const y = conv2d(x, weight, options);
  return bias ? add(y, broadcastAlong(bias, y.shape, [1])) : y;
}

/** x [N, in] times weight [out, in] transposed, plus bias [out]: [N, out]. */
export function linear(x: Value, weight: Value, bias: Value): Value {
  return add(matmul(x, transpose(weight)), bias);
}

/** max(x, 0), with derivative 0 at 0 as in PyTorch (`maximum` would share the tie). */
export function relu(x: Value): Value {
  return where(gt(x, 0), x, 0);
}

/** Average over all positions: [N, C, H, W] to [N, C]. For 4 x 4 maps it is the paper's `avg_pool2d(4)`. */
export function globalAveragePool(x: Value): Value {
  return mean(x, [2, 3]);
}
