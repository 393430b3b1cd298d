/** @file The plain way to a filter's gradient: register tiles of window positions × channels, summed over pixels. */
import type { Node } from "../../ir/graph.ts";
import type { FilterGradKernel } from "../../ir/kernel.ts";
import type { Target } from "../../ir/target.ts";
import { reshape, sum, transpose } from "../../ops/build.ts";
import type { Convolution } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { arrange, NHWC, type Numbers, plain } from "../placed.ts";
import { type FilterGradient, multiplyAdds, tileSteps, type Way } from "./contraction.ts";
import { tileKernel } from "./direct.ts";
import { padImage } from "./image.ts";
import { windowsOf } from "./windows.ts";

/** How the axes of a filter [out, in, row, column] lie in [row, column, in, out]. */
export const PACKED: Numbers = [3, 2, 0, 1];

export const directFilterGradient: Way<FilterGradient> = {
  name: "direct filter gradient",
  fits: () => true,
  cost: ({ shape }) => (multiplyAdds(shape) / shape.outputs) * shape.groups * tileSteps(shape.outputs / shape.groups),
  lower({ shape, image, cotangent }, target) {
    const x = padImage(image, shape, NHWC);
    const chunks = filterGradChunks(shape, target);
    const parts = packedFilterGrad(x, arrange(cotangent, NHWC), shape, chunks);
    const { groups, window, inputs, outputs } = shape;
    if (groups === 1) return { node: reshape(sum(parts, [0]), [...window, inputs, outputs]), permutation: PACKED };
    const whole = reshape(sum(parts, [0]), [groups, ...window, inputs / groups, outputs / groups]);
    return plain(reshape(transpose(whole, [0, 4, 3, 1, 2]), [outputs, inputs / groups, ...window]));
  },
};

/** Into how many parts a filter gradient splits the batch: the largest divisor that leaves a part enough pixels to pay for the
 * sum over parts. */
export function filterGradChunks({ batch, result: [height, width] }: Pick<Convolution, "batch" | "result">, { chunkPixels }: Target): number {
  let chunks = Math.min(batch, Math.max(1, Math.floor((batch * height * width) / chunkPixels)));
  while (batch % chunks !== 0) chunks--;
  return chunks;
}

/** [chunks, groups, R, S·C, K] of a dense padded x[N, H, W, C] and dy[N, OH, OW, K]: one partial sum per chunk of the batch. Where a window row
 * is not one run, R·S, C stands in place of R, S·C; without groups their axis is left out. */
export function packedFilterGrad(x: Node, dy: Node, shape: Parameters<typeof windowsOf>[1], chunks: number): Node {
  const { groups, ...kernel } = tileKernel(windowsOf(x.shape, shape), 4);
  const { kind: _, block: __, output, ...window } = kernel;
  const steps = groups ? { groups: { count: groups.count, input: groups.input, cotangent: groups.output } } : {};
  const gradient: FilterGradKernel = { kind: "filter-grad", ...window, cotangent: output, ...steps, chunks };
  const rows = window.rows * (window.columns?.count ?? 1);
  return kernelNode(gradient, [x, dy], [chunks, ...(groups ? [groups.count] : []), rows, window.run, window.channels]);
}
