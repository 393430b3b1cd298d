/** @file The input gradient of a convolution with a stride: the input's pixels fall into stride² classes by position, and each class is a
 * convolution of the cotangent with some of the turned filter's taps. */
import { sizeOf, stridesOf } from "../../base/shape.ts";
import type { Node } from "../../ir/graph.ts";
import type { LoopKernel } from "../../ir/kernel.ts";
import { slice } from "../../ops/build.ts";
import { type Convolution, type Pair, windowExtent } from "../../ops/convolution.ts";
import { type Step, stepsNode } from "../kernel-node.ts";
import { NHWC } from "../placed.ts";
import { type InputGradient, multiplyAdds, type Way } from "./contraction.ts";
import type { FilterView } from "./filter.ts";
import { padImage } from "./image.ts";
import { type Form, imageStrides, tapsOf } from "./windows.ts";

/** The input gradient by kernels of a form, one for each class. */
export function inputGradientBy(form: Form): Way<InputGradient> {
  return {
    name: `${form.name} input gradient`,
    fits: ({ shape }) => form.fits(shape),
    cost: ({ shape }) => form.cost(multiplyAdds(shape), shape.inputs / shape.groups),
    lower({ shape, cotangent, filter }, target) {
      const { batch, inputs, outputs, groups, size, stride } = shape;
      const phases = [phasesOf(shape, 0), phasesOf(shape, 1)] as const;
      const each = (value: (axis: readonly Phase[], d: 0 | 1) => number): Pair => [value(phases[0], 0), value(phases[1], 1)];
      const low = each((axis) => Math.max(0, ...axis.map(({ start }) => -start)));
      const high = each((axis, d) => Math.max(0, ...axis.map((p) => p.start + p.count + windowExtent(p.taps, p.dilation) - 1 - shape.result[d])));
      const dy = padImage(cotangent, { low, high }, NHWC);
      const [, dyRow, dyPixel] = stridesOf(dy.shape) as [number, number, number, number];
      const result = [batch, ...size, inputs];
      const [, row, pixel] = stridesOf(result) as [number, number, number, number];
      const both = phases[0].flatMap((vertical) => phases[1].map((horizontal) => [vertical, horizontal] as const));
      const filters = both.map((taps) => form.pack({ ...filter, node: someTaps(filter, taps) }, target));
      const convolutions = both.map(([vertical, horizontal], i): Step => {
        const kernel = form.kernel(
          {
            batch,
            size: [vertical.count, horizontal.count],
            inputs: outputs,
            outputs: inputs,
            groups,
            window: [vertical.taps, horizontal.taps],
            taps: tapsOf(dy.shape, [vertical.dilation, horizontal.dilation]),
            input: imageStrides(dy.shape, [1, 1], (vertical.start + low[0]) * dyRow + (horizontal.start + low[1]) * dyPixel),
            output: imageStrides(result, stride, vertical.phase * row + horizontal.phase * pixel),
          },
          filters[i]!,
        );
        return { kernel, inputs: [0, i + 1] };
      });
      // Classes that no tap meets have a gradient of zero.
      const zero: Step[] = both.length === stride[0] * stride[1] ? [] : [{ kernel: zeros(sizeOf(result)), inputs: [] }];
      return { node: stepsNode([...zero, ...convolutions], [dy, ...filters], result), permutation: NHWC };
    },
  };
}

export function zeros(size: number): LoopKernel {
  const value = { kind: "const", dtype: "float32", value: 0 } as const;
  return { kind: "loop", extents: [size], reduced: 0, outputs: [{ buffer: 0, dtype: "float32", at: { offset: 0, strides: [1] }, value }] };
}

/** Input positions of one class along an axis: those that are `phase` modulo the stride. */
export interface Phase {
  readonly phase: number;
  /** Number of input positions in the class. */
  readonly count: number;
  /** First output position that the class's window touches (may be negative). */
  readonly start: number;
  /** Taps that the class meets, and how far apart they are over the output. */
  readonly taps: number;
  readonly dilation: number;
  /** The first of them in the turned filter, and the step to the next. */
  readonly firstTap: number;
  readonly tapStep: number;
}

/** The classes that some tap meets. Input position s·i + phase meets output o through tap k where s·i + phase + padding = s·o + d·k. */
export function phasesOf(shape: Convolution, d: 0 | 1): Phase[] {
  const [size, window, stride, dilation, padding] = [shape.size[d], shape.window[d], shape.stride[d], shape.dilation[d], shape.low[d]];
  const common = greatestDivisor(stride, dilation);
  const phases: Phase[] = [];
  for (let phase = 0; phase < Math.min(stride, size); phase++) {
    const ks = Array.from({ length: window }, (_, k) => k).filter((k) => (phase + padding - dilation * k) % stride === 0);
    if (ks.length === 0) continue;
    const last = ks.at(-1)!;
    phases.push({
      phase,
      count: Math.ceil((size - phase) / stride),
      start: (phase + padding - dilation * last) / stride,
      taps: ks.length,
      dilation: dilation / common,
      // Ascending with the output position is the turned filter's order: tap number window − 1 − k.
      firstTap: window - 1 - last,
      tapStep: stride / common,
    });
  }
  return phases;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** The turned filter's taps of a class. */
function someTaps({ node, axes }: FilterView, phases: readonly [Phase, Phase]): Node {
  const starts = node.shape.map(() => 0);
  const ends = [...node.shape];
  const steps = node.shape.map(() => 1);
  phases.forEach(({ firstTap, tapStep, taps }, d) => {
    const axis = axes[d + 2]!;
    starts[axis] = firstTap;
    ends[axis] = firstTap + (taps - 1) * tapStep + 1;
    steps[axis] = tapStep;
  });
  return slice(node, starts, ends, steps);
}
