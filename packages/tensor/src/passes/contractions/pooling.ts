/** @file Pooling: loops over windows whose lanes are channels. What lies in the padding is told by guards, which are the same for all channels, so
 * the image is not copied. */
import type { Node } from "../../ir/graph.ts";
import type { LoopKernel } from "../../ir/kernel.ts";
import { coalesce } from "../../ir/loop-nest.ts";
import { type Affine, constant, type Expr, type Guard, scalar } from "../../ir/scalar.ts";
import type { Convolution } from "../../ops/convolution.ts";
import { kernelNode, type Step, stepsNode } from "../kernel-node.ts";
import { arrange, NHWC } from "../placed.ts";
import { type Maximum, multiplyAdds, type Selection, type Way } from "./contraction.ts";
import { type Phase, phasesOf, zeros } from "./phases.ts";
import { imageStrides } from "./windows.ts";

const always = (): boolean => true;
const cost = ({ shape }: { readonly shape: Convolution }): number => multiplyAdds(shape);

/** The largest element and its number, both by one chain of comparisons: kernels that read the same image become one. */
function maximumBy(name: string, dtype: "float32" | "int32"): Way<Maximum> {
  return {
    name,
    fits: always,
    cost,
    lower({ shape, image }) {
      const x = arrange(image, NHWC);
      const kept = resultOf(shape);
      let largest = elementOf(shape, x, 0, Number.NEGATIVE_INFINITY);
      let number = constant("int32", 0);
      for (let tap = 1; tap < shape.window[0] * shape.window[1]; tap++) {
        const next = elementOf(shape, x, tap, Number.NEGATIVE_INFINITY);
        const unordered = scalar("not", "bool", scalar("eq", "bool", next, next));
        const better = scalar("or", "bool", scalar("lt", "bool", largest, next), unordered);
        number = scalar("select", "int32", better, constant("int32", tap), number);
        largest = scalar("select", "float32", better, next, largest);
      }
      const value = dtype === "int32" ? number : largest;
      const kernel = coalesce({ kind: "loop", extents: kept, reduced: 0, outputs: [{ buffer: 1, dtype, at: dense(kept), value }] });
      return { node: kernelNode(kernel, [x], kept, dtype), permutation: NHWC };
    },
  };
}

export const loopMaximum = maximumBy("maximum by a loop", "float32");
export const loopArgmax = maximumBy("place of the maximum by a loop", "int32");

/** Element number `tap` of each window. */
function elementOf(shape: Convolution, x: Node, tap: number, fill: number): Expr {
  const { low, size, stride, window } = shape;
  const start = [low[0] - Math.floor(tap / window[1]), low[1] - (tap % window[1])] as const;
  const guards: Guard[] = [
    { offset: -start[0], strides: [0, stride[0], 0, 0], extent: size[0] },
    { offset: -start[1], strides: [0, 0, stride[1], 0], extent: size[1] },
  ];
  return guarded(guards, { kind: "load", dtype: "float32", buffer: 0, at: place(x.shape, stride, start) }, fill, resultOf(shape));
}

export const loopGather: Way<Selection> = {
  name: "gathering by a loop",
  fits: always,
  cost,
  lower({ shape, of, index }) {
    const [x, numbers] = [arrange(of, NHWC), arrange(index, NHWC)];
    const kept = resultOf(shape);
    const number: Expr = { kind: "load", dtype: "int32", buffer: 1, at: dense(kept) };
    let value: Expr = constant("float32", 0);
    for (let tap = 0; tap < shape.window[0] * shape.window[1]; tap++) {
      value = scalar("select", "float32", scalar("eq", "bool", number, constant("int32", tap)), elementOf(shape, x, tap, 0), value);
    }
    const kernel: LoopKernel = { kind: "loop", extents: kept, reduced: 0, outputs: [{ buffer: 2, dtype: "float32", at: dense(kept), value }] };
    return { node: kernelNode(coalesce(kernel), [x, numbers], kept), permutation: NHWC };
  },
};

/** Every element of the image looks at the windows that it may be the chosen element of, class by class as input gradients do. */
export const loopScatter: Way<Selection> = {
  name: "scattering by phases",
  fits: always,
  cost,
  lower({ shape, of, index }) {
    const [dy, numbers] = [arrange(of, NHWC), arrange(index, NHWC)];
    const { batch, inputs, size, stride } = shape;
    const image = [batch, ...size, inputs];
    const classes = phasesOf(shape, 0).flatMap((vertical) => phasesOf(shape, 1).map((horizontal) => [vertical, horizontal] as const));
    const steps = classes.map(([vertical, horizontal]): Step => {
      const extents = [batch, vertical.count, horizontal.count, inputs];
      const value = addedTo(shape, dy, vertical, horizontal, extents);
      const target = imageStrides(image, stride);
      const [row, pixel] = [size[1] * inputs, inputs];
      const at = { offset: vertical.phase * row + horizontal.phase * pixel, strides: [target.image, target.row, target.pixel, 1] };
      const kernel: LoopKernel = { kind: "loop", extents, reduced: 0, outputs: [{ buffer: 2, dtype: "float32", at, value }] };
      return { kernel: coalesce(kernel), inputs: [0, 1] };
    });
    const zero: Step[] = classes.length === stride[0] * stride[1] ? [] : [{ kernel: zeros(image.reduce((n, extent) => n * extent, 1)), inputs: [] }];
    return { node: stepsNode([...zero, ...steps], [dy, numbers], image), permutation: NHWC };
  },
};

/** What the windows of one class add to an element. */
function addedTo({ window }: Convolution, dy: Node, vertical: Phase, horizontal: Phase, extents: readonly number[]): Expr {
  let value: Expr = constant("float32", 0);
  const [, height, width, channels] = dy.shape as [number, number, number, number];
  for (let i = 0; i < vertical.taps; i++)
    for (let j = 0; j < horizontal.taps; j++) {
      // Phases count the taps of the turned window.
      const row = window[0] - 1 - (vertical.firstTap + i * vertical.tapStep);
      const column = window[1] - 1 - (horizontal.firstTap + j * horizontal.tapStep);
      const start = [-(vertical.start + i * vertical.dilation), -(horizontal.start + j * horizontal.dilation)] as const;
      const at = place([0, height, width, channels], [1, 1], start);
      const guards: Guard[] = [
        { offset: -start[0], strides: [0, 1, 0, 0], extent: height },
        { offset: -start[1], strides: [0, 0, 1, 0], extent: width },
      ];
      const number: Expr = { kind: "load", dtype: "int32", buffer: 1, at };
      const chosen = scalar("eq", "bool", number, constant("int32", row * window[1] + column));
      const term = scalar("select", "float32", chosen, { kind: "load", dtype: "float32", buffer: 0, at }, constant("float32", 0));
      value = scalar("add", "float32", value, guarded(guards, term, 0, extents));
    }
  return value;
}

const resultOf = ({ batch, result, outputs }: Convolution): number[] => [batch, ...result, outputs];

/** The place of each element of a dense image. */
function dense(shape: readonly number[]): Affine {
  const { image, row, pixel } = imageStrides(shape, [1, 1]);
  return { offset: 0, strides: [image, row, pixel, 1] };
}

/** Where the element of a dense image is that lies `low` rows and columns before a window's place. */
function place([, height, width, channels]: readonly number[], step: readonly [number, number], low: readonly [number, number]): Affine {
  const { image, row, pixel } = imageStrides([0, height!, width!, channels!], step);
  return { offset: -(low[0] * width! + low[1]) * channels!, strides: [image, row, pixel, 1] };
}

/** Guards that some turn of the loops does not pass. */
function needed(guards: readonly Guard[], extents: readonly number[]): Guard[] {
  return guards.filter(({ offset, strides, extent }) => offset < 0 || offset + strides.reduce((n, stride, i) => n + stride * (extents[i]! - 1), 0) >= extent);
}

function guarded(guards: readonly Guard[], inside: Expr, fill: number, extents: readonly number[]): Expr {
  const kept = needed(guards, extents);
  return kept.length === 0 ? inside : { kind: "guard", dtype: inside.dtype, guards: kept, inside, fill };
}
