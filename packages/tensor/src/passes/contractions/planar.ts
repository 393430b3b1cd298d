/** @file Convolutions of few channels over planar images [N, C, H, W]. With three or four channels the lanes of a channel-last vector stay
 * empty or are refilled for every tap; here lanes are neighbouring pixels, and images keep the user's order. */
import type { Node } from "../../ir/graph.ts";
import type { PlanarShape } from "../../ir/kernel.ts";
import { LONGEST_CONTRACTION } from "../../ir/sums.ts";
import type { Target } from "../../ir/target.ts";
import { sum, transpose } from "../../ops/build.ts";
import type { Convolution } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { arrange, NCHW, plain } from "../placed.ts";
import { type FilterGradient, type Forward, isPlain, resultPixels, type Way, windowTerms } from "./contraction.ts";
import { filterGradChunks } from "./direct-filter-gradient.ts";
import { padImage } from "./image.ts";

/** Channels on either side up to which pixels fill the lanes better than channels do. */
const FEW_CHANNELS = 4;
/** Pixels of the narrowest image row that is worth it: two vectors. */
const LEAST_WIDTH = 8;

/** Whether a convolution can be done on planar images, with so many terms that an accumulator takes in a row. */
function fits(shape: Convolution, terms: number, { planar }: Target): boolean {
  const width = shape.result[1];
  const few = shape.inputs <= FEW_CHANNELS && shape.outputs <= FEW_CHANNELS;
  return planar && isPlain(shape) && few && width >= LEAST_WIDTH && width % 4 === 0 && terms <= LONGEST_CONTRACTION;
}

/** Every term of four pixels takes a multiply-add per channel, and a load that all channels share. */
const cost = ({ shape }: { readonly shape: Convolution }): number => (resultPixels(shape) / 4) * windowTerms(shape) * (shape.outputs + 1);

export const planarConvolution: Way<Forward> = {
  name: "planar convolution",
  fits: ({ shape }, target) => fits(shape, windowTerms(shape), target),
  cost,
  lower({ shape, image, filter }) {
    const x = padImage(image, shape, NCHW);
    const [out, channel, row, column] = filter.axes;
    const packed = transpose(filter.node, [channel, row, column, out]);
    return plain(kernelNode({ kind: "planar-conv", ...planarShape(shape) }, [x, packed], [shape.batch, shape.outputs, ...shape.result]));
  },
};

export const planarFilterGradient: Way<FilterGradient> = {
  name: "planar filter gradient",
  fits({ shape }, target) {
    const { batch, result } = shape;
    // The kernel sums over an image in four lanes, then over a chunk's images.
    return fits(shape, Math.max((result[0] * result[1]) / 4, batch / filterGradChunks(shape, target)), target);
  },
  cost,
  lower({ shape, image, cotangent }, target) {
    const chunks = filterGradChunks(shape, target);
    const factors: Node[] = [padImage(image, shape, NCHW), arrange(cotangent, NCHW)];
    const kernel = { kind: "planar-filter-grad", ...planarShape(shape), chunks } as const;
    return plain(sum(kernelNode(kernel, factors, [chunks, shape.outputs, shape.inputs, ...shape.window]), [0]));
  },
};

function planarShape({ batch, outputs, inputs, result: [height, width], window: [rows, columns] }: Convolution): PlanarShape {
  return { batch, channels: outputs, inputs, height, width, rows, columns };
}
