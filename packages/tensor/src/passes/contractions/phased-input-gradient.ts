/** @file The input gradient of a convolution with a stride: the input's pixels fall into stride² classes by position, and each class is a
 * convolution of the cotangent with every stride-th tap of the turned filter. */
import { sizeOf, stridesOf } from "../../base/shape.ts";
import type { ConvKernel, LoopKernel } from "../../ir/kernel.ts";
import { slice } from "../../ops/build.ts";
import type { Convolution, Pair } from "../../ops/convolution.ts";
import { type Step, stepsNode } from "../kernel-node.ts";
import { NHWC, type Numbers } from "../placed.ts";
import { type InputGradient, resultPixels, tileSteps, type Way, windowTerms } from "./contraction.ts";
import { type FilterView, packFilter } from "./filter.ts";
import { imageStrides, padImage } from "./image.ts";

export const phasedInputGradient: Way<InputGradient> = {
  name: "input gradient by phases",
  fits: ({ shape: { groups, dilation } }) => groups === 1 && dilation.every((gap) => gap === 1),
  cost: ({ shape }) => resultPixels(shape) * (shape.outputs / shape.inputs) * windowTerms(shape) * tileSteps(shape.inputs),
  lower({ shape, cotangent, filter }, target) {
    const { batch, inputs: channels, size, stride } = shape;
    const phases = [phasesOf(shape, 0), phasesOf(shape, 1)] as const;
    const each = (value: (axis: readonly Phase[], d: 0 | 1) => number): Pair => [value(phases[0], 0), value(phases[1], 1)];
    const low = each((axis) => Math.max(0, ...axis.map(({ start }) => -start)));
    const high = each((axis, d) => Math.max(0, ...axis.map(({ start, count, taps }) => start + count + taps.length - 1 - shape.result[d])));
    const dy = padImage(cotangent, { low, high }, NHWC);
    const [, dyRow, dyPixel] = stridesOf(dy.shape) as [number, number, number, number];
    const result = [batch, ...size, channels];
    const [, resultRow, resultPixel] = stridesOf(result) as [number, number, number, number];
    const both = phases[0].flatMap((row) => phases[1].map((column) => [row, column] as const));
    const filters = both.map(([row, column]) => packFilter({ node: everyTap(filter, row.taps, column.taps, stride), axes: filter.axes }, target));
    const convolutions = both.map(([row, column], i): Step => {
      const [, rows, columns, inputs, block] = filters[i]!.shape as [number, number, number, number, number];
      const kernel: ConvKernel = {
        kind: "conv",
        batch,
        height: row.count,
        width: column.count,
        channels,
        block,
        rows,
        run: columns * inputs,
        tapRow: dyRow,
        input: imageStrides(dy.shape, [1, 1], (row.start + low[0]) * dyRow + (column.start + low[1]) * dyPixel),
        output: imageStrides(result, stride, row.phase * resultRow + column.phase * resultPixel),
        filterImage: 0,
      };
      return { kernel, inputs: [0, i + 1] };
    });
    // Classes that no tap meets have a gradient of zero.
    const zero: Step[] = both.length === stride[0] * stride[1] ? [] : [{ kernel: zeros(sizeOf(result)), inputs: [] }];
    return { node: stepsNode([...zero, ...convolutions], [dy, ...filters], result), permutation: NHWC };
  },
};

function zeros(size: number): LoopKernel {
  const value = { kind: "const", dtype: "float32", value: 0 } as const;
  return { kind: "loop", extents: [size], reduced: 0, outputs: [{ buffer: 0, dtype: "float32", at: { offset: 0, strides: [1] }, value }] };
}

/** Input positions of one class along an axis: those that are `phase` modulo the stride. */
interface Phase {
  readonly phase: number;
  /** Number of input positions in the class. */
  readonly count: number;
  /** First output position that the class's window touches (may be negative). */
  readonly start: number;
  /** Tap numbers of the turned filter, ascending with the output position. */
  readonly taps: Numbers;
}

/** The classes that some tap meets. Input position s·i + phase meets output o through tap k = s·i + phase + padding − s·o. */
function phasesOf(shape: Convolution, d: 0 | 1): Phase[] {
  const [size, window, stride, padding] = [shape.size[d], shape.window[d], shape.stride[d], shape.low[d]];
  const phases: Phase[] = [];
  for (let phase = 0; phase < Math.min(stride, size); phase++) {
    const first = (phase + padding) % stride;
    const ks = Array.from({ length: window }, (_, k) => k).filter((k) => k % stride === first);
    if (ks.length === 0) continue;
    const last = ks.at(-1)!;
    phases.push({
      phase,
      count: Math.ceil((size - phase) / stride),
      start: (phase + padding - last) / stride,
      // Largest k first: turned tap number window − 1 − k.
      taps: ks.reverse().map((k) => window - 1 - k),
    });
  }
  return phases;
}

function everyTap(filter: FilterView, rows: Numbers, columns: Numbers, stride: Pair) {
  const [, , rowAxis, columnAxis] = filter.axes;
  const { shape } = filter.node;
  const starts = shape.map((_, axis) => (axis === rowAxis ? rows[0]! : axis === columnAxis ? columns[0]! : 0));
  const ends = shape.map((extent, axis) => (axis === rowAxis ? rows.at(-1)! + 1 : axis === columnAxis ? columns.at(-1)! + 1 : extent));
  const steps = shape.map((_, axis) => (axis === rowAxis ? stride[0] : axis === columnAxis ? stride[1] : 1));
  return slice(filter.node, starts, ends, steps);
}
