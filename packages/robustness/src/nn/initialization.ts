/** @file Initial weights as the paper's code draws them. */
import { mul, normal, type Shape, type Value } from "@gradalign/tensor";

/** A convolution's weight [out, in, R, S] ~ N(0, 2 / (R S out)): He et al., over outputs. */
export function initConvolution(key: Value, shape: Shape): Value {
  const [out, , height, width] = shape as [number, number, number, number];
  return mul(normal(key, shape), Math.sqrt(2 / (height * width * out)));
}

/** A linear layer's weight [out, in] ~ N(0, 2 / in): He et al., over inputs, also for the last layer. */
export function initLinear(key: Value, shape: Shape): Value {
  return mul(normal(key, shape), Math.sqrt(2 / (shape[1] as number)));
}
