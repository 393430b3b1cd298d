/** @file The plain way to convolve: windows of a channel-last image times a packed filter, a register tile of pixels × channels at a time. */
import type { ConvKernel } from "../../ir/kernel.ts";
import { tileSteps } from "./contraction.ts";
import { packFilter } from "./filter.ts";
import { inputGradientBy } from "./phases.ts";
import { convolutionBy, type Form, type Windows } from "./windows.ts";

const DIRECT: Form = {
  name: "direct",
  fits: () => true,
  cost: (count, channels) => (count / channels) * tileSteps(channels),
  pack: packFilter,
  kernel: (windows, packed) => tileKernel(windows, packed.shape.at(-1)!),
};

export const directConvolution = convolutionBy(DIRECT);
export const directInputGradient = inputGradientBy(DIRECT);

/** The kernel of windows, with a filter packed in blocks of so many channels. */
export function tileKernel({ batch, size, inputs, outputs, groups, window, taps, input, output }: Windows, block: number): ConvKernel {
  const [rows, columns] = window;
  const [channels, depth] = [outputs / groups, inputs / groups];
  // Of neighbouring pixels all channels are one run.
  const isRun = columns === 1 || taps[1] === depth;
  const filter = Math.ceil(channels / block) * block * rows * columns * depth;
  return {
    kind: "conv",
    batch,
    height: size[0],
    width: size[1],
    channels,
    block,
    rows,
    run: isRun ? columns * depth : depth,
    ...(isRun ? {} : { columns: { count: columns, step: taps[1] } }),
    tapRow: taps[0],
    input,
    output,
    ...(groups > 1 ? { groups: { count: groups, input: depth, filter, output: channels } } : {}),
  };
}
