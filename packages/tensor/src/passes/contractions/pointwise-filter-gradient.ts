/** @file The filter's gradient of a convolution of single pixels: the product of the image's channels, turned so that pixels are next to each
 * other, with the cotangent's, packed as a filter. A register tile then loads whole vectors of either, where the plain way walks over pixels. */
import { reshape, transpose } from "../../ops/build.ts";
import { kernelNode } from "../kernel-node.ts";
import { arrange, NHWC } from "../placed.ts";
import { type FilterGradient, isPlain, multiplyAdds, resultPixels, tileSteps, type Way } from "./contraction.ts";
import { tileKernel } from "./direct.ts";
import { PACKED } from "./direct-filter-gradient.ts";
import { packFilter } from "./filter.ts";
import { windowsOf } from "./windows.ts";

/** What a term of the product takes beside one of the plain way, measured with the layers of ResNet-50. */
const SHARE = 0.6;
/** The same per element that is turned or packed: with few channels on both sides that does not pay. */
const COPY_STEPS = 5;

export const pointwiseFilterGradient: Way<FilterGradient> = {
  name: "pointwise filter gradient",
  fits: ({ shape }, { planar }) => planar && isPlain(shape) && [...shape.window, ...shape.low, ...shape.high].join() === "1,1,0,0,0,0",
  cost: ({ shape }) =>
    SHARE * (multiplyAdds(shape) / shape.outputs) * tileSteps(shape.outputs) + COPY_STEPS * resultPixels(shape) * (shape.inputs + shape.outputs),
  lower({ shape, image, cotangent }, target) {
    const { inputs, outputs } = shape;
    const pixels = resultPixels(shape);
    const channels = reshape(transpose(reshape(arrange(image, NHWC), [pixels, inputs]), [1, 0]), [1, 1, inputs, pixels]);
    const packed = packFilter({ node: reshape(arrange(cotangent, NHWC), [pixels, outputs, 1, 1]), axes: [1, 0, 2, 3] }, target);
    const windows = windowsOf(channels.shape, { outputs, groups: 1, window: [1, 1], stride: [1, 1], dilation: [1, 1], result: [1, inputs] });
    const kernel = tileKernel(windows, packed.shape.at(-1)!);
    return { node: kernelNode(kernel, [channels, packed], [1, 1, inputs, outputs]), permutation: PACKED };
  },
};
