/** @file Convolutions in which every channel has a filter of its own and sees no other: loops whose lanes are channels, since there is nothing to
 * sum over but the window, and no factor that two sums could share. */
import type { Node } from "../../ir/graph.ts";
import type { LoopKernel } from "../../ir/kernel.ts";
import { coalesce } from "../../ir/loop-nest.ts";
import { type Expr, scalar } from "../../ir/scalar.ts";
import { reshape, sum, transpose } from "../../ops/build.ts";
import type { Convolution } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { arrange, NHWC } from "../placed.ts";
import { type FilterGradient, multiplyAdds, type Way } from "./contraction.ts";
import { filterGradChunks, PACKED } from "./direct-filter-gradient.ts";
import type { FilterView } from "./filter.ts";
import { padImage } from "./image.ts";
import { inputGradientBy } from "./phases.ts";
import { convolutionBy, type Form, type Windows, windowsOf } from "./windows.ts";

/** A vector of products takes two loads, a multiplication and an addition. */
const STEPS_PER_CHANNEL = 4 / 4;

const isDepthwise = ({ inputs, outputs, groups }: Convolution): boolean => groups > 1 && inputs === groups && outputs === groups;

const DEPTHWISE: Form = {
  name: "depthwise",
  fits: isDepthwise,
  cost: (count) => count * STEPS_PER_CHANNEL,
  pack: filterPlanes,
  kernel: depthwiseKernel,
};

export const depthwiseConvolution = convolutionBy(DEPTHWISE);
export const depthwiseInputGradient = inputGradientBy(DEPTHWISE);

/** The filter as [rows, columns, channels]. */
function filterPlanes({ node, axes: [out, channel, row, column], group }: FilterView): Node {
  const planes = transpose(node, [row, column, group!, out, channel]);
  return reshape(planes, planes.shape.slice(0, 3));
}

const load = (buffer: number, offset: number, strides: readonly number[]): Expr => ({ kind: "load", dtype: "float32", buffer, at: { offset, strides } });

/** y[b, i, j, c] = Σ_{r, s} x[b, i, j; r, s; c] · w[r, s, c]. */
function depthwiseKernel({ batch, size, outputs: channels, window, taps, input, output }: Windows): LoopKernel {
  const x = load(0, input.offset, [input.image, input.row, input.pixel, 1, ...taps]);
  const w = load(1, 0, [0, 0, 0, 1, window[1] * channels, channels]);
  return coalesce({
    kind: "loop",
    extents: [batch, ...size, channels, ...window],
    reduced: 2,
    combine: "sum",
    outputs: [
      {
        buffer: 2,
        dtype: "float32",
        at: { offset: output.offset, strides: [output.image, output.row, output.pixel, 1, 0, 0] },
        value: scalar("mul", "float32", x, w),
      },
    ],
  });
}

/** dw[r, s, c] = Σ_{b, i, j} x[b, i, j; r, s; c] · dy[b, i, j, c]: a partial sum per chunk of the batch. */
export const depthwiseFilterGradient: Way<FilterGradient> = {
  name: "depthwise filter gradient",
  fits: ({ shape }) => isDepthwise(shape),
  cost: ({ shape }) => multiplyAdds(shape) * STEPS_PER_CHANNEL,
  lower({ shape, image, cotangent }, target) {
    const factors = [padImage(image, shape, NHWC), arrange(cotangent, NHWC)] as const;
    const { batch, size, outputs: channels, window, taps, input, output } = windowsOf(factors[0].shape, shape);
    const chunks = filterGradChunks(shape, target);
    const images = batch / chunks;
    const x = load(0, 0, [images * input.image, ...taps, 1, input.image, input.row, input.pixel]);
    const dy = load(1, 0, [images * output.image, 0, 0, 1, output.image, output.row, output.pixel]);
    const size0 = window[0] * window[1] * channels;
    const kernel = coalesce({
      kind: "loop",
      extents: [chunks, ...window, channels, images, ...size],
      reduced: 3,
      combine: "sum",
      outputs: [
        {
          buffer: 2,
          dtype: "float32",
          at: { offset: 0, strides: [size0, window[1] * channels, channels, 1, 0, 0, 0] },
          value: scalar("mul", "float32", x, dy),
        },
      ],
    });
    const whole = sum(kernelNode(kernel, factors, [chunks, ...window, channels]), [0]);
    return { node: reshape(whole, [...window, 1, channels]), permutation: PACKED };
  },
};
