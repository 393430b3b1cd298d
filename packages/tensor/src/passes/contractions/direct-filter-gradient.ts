/** @file The plain way to a filter's gradient: register tiles of window positions × channels, summed over pixels. */
import { stridesOf } from "../../base/shape.ts";
import type { Node } from "../../ir/graph.ts";
import type { FilterGradKernel } from "../../ir/kernel.ts";
import type { Target } from "../../ir/target.ts";
import { reshape, sum } from "../../ops/build.ts";
import type { Convolution, Pair } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { arrange, NHWC, type Numbers } from "../placed.ts";
import { type FilterGradient, resultPixels, tileSteps, type Way, windowTerms } from "./contraction.ts";
import { imageStrides, padImage } from "./image.ts";

/** How the axes of a filter [out, in, row, column] lie in [row, column, in, out]. */
export const PACKED: Numbers = [3, 2, 0, 1];

export const directFilterGradient: Way<FilterGradient> = {
  name: "direct filter gradient",
  fits: ({ shape: { groups, dilation } }) => groups === 1 && dilation.every((gap) => gap === 1),
  cost: ({ shape }) => resultPixels(shape) * windowTerms(shape) * tileSteps(shape.outputs),
  lower({ shape, image, cotangent }, target) {
    const x = padImage(image, shape, NHWC);
    const parts = packedFilterGrad(x, arrange(cotangent, NHWC), shape.stride, shape.window, filterGradChunks(shape, target));
    return { node: reshape(sum(parts, [0]), [...shape.window, shape.inputs, shape.outputs]), permutation: PACKED };
  },
};

/** Into how many parts a filter gradient splits the batch: the largest divisor that leaves a part enough pixels to pay for the
 * sum over parts. */
export function filterGradChunks({ batch, result: [height, width] }: Pick<Convolution, "batch" | "result">, { chunkPixels }: Target): number {
  let chunks = Math.min(batch, Math.max(1, Math.floor((batch * height * width) / chunkPixels)));
  while (batch % chunks !== 0) chunks--;
  return chunks;
}

/** [chunks, R, S·C, K] of a dense padded x[N, H, W, C] and dy[N, OH, OW, K]: one partial sum per chunk of the batch. */
export function packedFilterGrad(x: Node, dy: Node, stride: Pair, [rows, columns]: Pair, chunks: number): Node {
  const [batch, height, width, channels] = dy.shape as [number, number, number, number];
  const run = columns * x.shape[3]!;
  const kernel: FilterGradKernel = {
    kind: "filter-grad",
    batch,
    height,
    width,
    channels,
    rows,
    run,
    tapRow: stridesOf(x.shape)[1]!,
    input: imageStrides(x.shape, stride),
    cotangent: imageStrides(dy.shape, [1, 1]),
    chunks,
  };
  return kernelNode(kernel, [x, dy], [chunks, rows, run, channels]);
}
