/** @file The plain way to convolve: windows of a channel-last image times a packed filter, a register tile of pixels × channels at a time. */
import { stridesOf } from "../../base/shape.ts";
import type { Node } from "../../ir/graph.ts";
import type { ConvKernel } from "../../ir/kernel.ts";
import type { Pair } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { NHWC } from "../placed.ts";
import { type Forward, resultPixels, tileSteps, type Way, windowTerms } from "./contraction.ts";
import { packFilter } from "./filter.ts";
import { imageStrides, padImage } from "./image.ts";

export const directConvolution: Way<Forward> = {
  name: "direct convolution",
  fits: ({ shape: { groups, dilation } }) => groups === 1 && dilation.every((gap) => gap === 1),
  cost: ({ shape }) => resultPixels(shape) * windowTerms(shape) * tileSteps(shape.outputs),
  lower({ shape, image, filter }, target) {
    const x = padImage(image, shape, NHWC);
    return { node: packedConv(x, packFilter(filter, target), shape.outputs, shape.stride, shape.result), permutation: NHWC };
  },
};

/** y[N, OH, OW, K] of a dense padded x[N, H, W, C] and a packed filter. */
export function packedConv(x: Node, filter: Node, channels: number, stride: Pair, [height, width]: Pair): Node {
  const [, rows, columns, inputs, block] = filter.shape as [number, number, number, number, number];
  const shape = [x.shape[0]!, height, width, channels];
  const kernel: ConvKernel = {
    kind: "conv",
    batch: x.shape[0]!,
    height,
    width,
    channels,
    block,
    rows,
    run: columns * inputs,
    tapRow: stridesOf(x.shape)[1]!,
    input: imageStrides(x.shape, stride),
    output: imageStrides(shape, [1, 1]),
    filterImage: 0,
  };
  return kernelNode(kernel, [x, filter], shape);
}
