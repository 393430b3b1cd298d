/** @file Pooling: loops over windows whose lanes are channels. The image is not copied to be padded: the result is cut into the places whose windows
 * lie within the image, of which nothing has to be asked, and those at its border, where guards tell what lies outside. */
import type { Node } from "../../ir/graph.ts";
import type { LoopKernel, LoopOutput } from "../../ir/kernel.ts";
import { coalesce } from "../../ir/loop-nest.ts";
import { type Affine, constant, type Expr, type Guard, scalar } from "../../ir/scalar.ts";
import type { Convolution, Pair } from "../../ops/convolution.ts";
import { type Step, stepsNode } from "../kernel-node.ts";
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
      const steps = windowRegions(shape).map((region): Step => {
        const elements = elementsOf(shape, x, region).reverse();
        let largest: Expr = constant("float32", Number.NEGATIVE_INFINITY);
        let number: Expr = constant("int32", 0);
        elements.forEach(({ tap, at, guards }, i) => {
          const next = guarded(guards, load("float32", 0, at), Number.NEGATIVE_INFINITY);
          // From the last to the first: of equal ones the first, of several NaN the last, and nothing that lies outside, whatever lies inside.
          const ordered = scalar("eq", "bool", largest, largest);
          const notLess = scalar("and", "bool", scalar("not", "bool", scalar("lt", "bool", next, largest)), ordered);
          const better = guards.length === 0 ? notLess : scalar("and", "bool", notLess, guarded(guards, constant("bool", 1), 0));
          number = i === 0 ? constant("int32", tap) : scalar("select", "int32", better, constant("int32", tap), number);
          largest = i === 0 ? next : scalar("select", "float32", better, next, largest);
        });
        const value = dtype === "int32" ? number : largest;
        return { kernel: regionKernel(region, kept, { buffer: 1, dtype, at: place(kept, region.first, [1, 1]), value }), inputs: [0] };
      });
      return { node: stepsNode(steps, [x], kept, dtype), permutation: NHWC };
    },
  };
}

export const loopMaximum = maximumBy("maximum by a loop", "float32");
export const loopArgmax = maximumBy("place of the maximum by a loop", "int32");

export const loopGather: Way<Selection> = {
  name: "gathering by a loop",
  fits: always,
  cost,
  lower({ shape, of, index }) {
    const [x, numbers] = [arrange(of, NHWC), arrange(index, NHWC)];
    const kept = resultOf(shape);
    const steps = windowRegions(shape).map((region): Step => {
      const here = place(kept, region.first, [1, 1]);
      const number = load("int32", 1, here);
      const value = elementsOf(shape, x, region).reduce(
        (before: Expr, { tap, at, guards }) => {
          const chosen = scalar("eq", "bool", number, constant("int32", tap));
          return scalar("select", "float32", chosen, guarded(guards, load("float32", 0, at), 0), before);
        },
        constant("float32", 0),
      );
      return { kernel: regionKernel(region, kept, { buffer: 2, dtype: "float32", at: here, value }), inputs: [0, 1] };
    });
    return { node: stepsNode(steps, [x, numbers], kept), permutation: NHWC };
  },
};

/** Every element of the image looks at the windows that it may be the chosen element of, class by class as input gradients do. */
export const loopScatter: Way<Selection> = {
  name: "scattering by phases",
  fits: always,
  cost,
  lower({ shape, of, index }) {
    const [dy, numbers] = [arrange(of, NHWC), arrange(index, NHWC)];
    const { batch, inputs, size, stride, result } = shape;
    const image = [batch, ...size, inputs];
    const classes = phasesOf(shape, 0).flatMap((vertical) => phasesOf(shape, 1).map((horizontal) => [vertical, horizontal] as const));
    const steps = classes.flatMap((phases) => {
      // Where all windows that the class's elements lie in are windows of the result.
      const whole = (d: 0 | 1) => ({ first: -phases[d].start, last: result[d] - 1 - phases[d].start - (phases[d].taps - 1) * phases[d].dilation });
      return regionsOf([phases[0].count, phases[1].count], whole).map((region): Step => {
        const first = [phases[0].phase + region.first[0] * stride[0], phases[1].phase + region.first[1] * stride[1]] as const;
        const value = addedTo(shape, dy, phases, region);
        return { kernel: regionKernel(region, image, { buffer: 2, dtype: "float32", at: place(image, first, stride), value }), inputs: [0, 1] };
      });
    });
    const zero: Step[] = classes.length === stride[0] * stride[1] ? [] : [{ kernel: zeros(image.reduce((n, extent) => n * extent, 1)), inputs: [] }];
    return { node: stepsNode([...zero, ...steps], [dy, numbers], image), permutation: NHWC };
  },
};

/** What the windows of one class add to the elements of a region. */
function addedTo({ window }: Convolution, dy: Node, phases: readonly [Phase, Phase], region: Region): Expr {
  let value: Expr = constant("float32", 0);
  const [, height, width] = dy.shape as [number, number, number, number];
  for (let i = 0; i < phases[0].taps; i++)
    for (let j = 0; j < phases[1].taps; j++) {
      const tap = [i, j] as const;
      const along = (part: (phase: Phase, d: 0 | 1) => number): Pair => [part(phases[0], 0), part(phases[1], 1)];
      const first = along(({ start, dilation }, d) => region.first[d] + start + tap[d] * dilation);
      const guards = guardsOf(first, [1, 1], [height, width], region.count);
      if (!guards) continue;
      // Phases count the taps of the turned window.
      const [row, column] = along(({ firstTap, tapStep }, d) => window[d] - 1 - (firstTap + tap[d] * tapStep));
      const at = place(dy.shape, first, [1, 1]);
      const chosen = scalar("eq", "bool", load("int32", 1, at), constant("int32", row * window[1] + column));
      const term = scalar("select", "float32", chosen, load("float32", 0, at), constant("float32", 0));
      value = scalar("add", "float32", value, guarded(guards, term, 0));
    }
  return value;
}

const load = (dtype: "float32" | "int32", buffer: number, at: Affine): Expr => ({ kind: "load", dtype, buffer, at });

const resultOf = ({ batch, result, outputs }: Convolution): number[] => [batch, ...result, outputs];

/** Places of a result that are computed alike: the first row and column, and how many of each. */
interface Region {
  readonly first: Pair;
  readonly count: Pair;
}

/** The places of a result, cut along each axis before the first and after the last place whose windows are whole. */
function regionsOf(size: Pair, whole: (d: 0 | 1) => { readonly first: number; readonly last: number }): Region[] {
  const stretches = (d: 0 | 1) => {
    const { first, last } = whole(d);
    const from = Math.min(size[d], Math.max(0, first));
    const to = Math.min(size[d], Math.max(from, last + 1));
    return [
      [0, from],
      [from, to],
      [to, size[d]],
    ].flatMap(([begin, end]) => (end! > begin! ? [{ first: begin!, count: end! - begin! }] : []));
  };
  return stretches(0).flatMap((rows) => stretches(1).map((columns): Region => ({ first: [rows.first, columns.first], count: [rows.count, columns.count] })));
}

/** The regions of a pooling's result by whether windows lie within the image. */
function windowRegions({ low, size, stride, window, result }: Convolution): Region[] {
  return regionsOf(result, (d) => ({ first: Math.ceil(low[d] / stride[d]), last: Math.floor((size[d] - window[d] + low[d]) / stride[d]) }));
}

/** An element of a region's windows: its number in the window, where it is, and what tells whether it lies in the image, if that has to be asked. */
interface Element {
  readonly tap: number;
  readonly at: Affine;
  readonly guards: readonly Guard[];
}

/** The elements of a region's windows that may lie in the image, in the order of their numbers. */
function elementsOf({ low, size, stride, window }: Convolution, x: Node, region: Region): Element[] {
  return Array.from({ length: window[0] * window[1] }, (_, tap) => tap).flatMap((tap): Element[] => {
    const [row, column] = [Math.floor(tap / window[1]), tap % window[1]];
    const first: Pair = [region.first[0] * stride[0] + row - low[0], region.first[1] * stride[1] + column - low[1]];
    const guards = guardsOf(first, stride, size, region.count);
    return guards ? [{ tap, at: place(x.shape, first, stride), guards }] : [];
  });
}

/** What tells whether places from `first` on in these steps lie in an image: nothing where all do, null where none does. */
function guardsOf(first: Pair, step: Pair, size: Pair, count: Pair): Guard[] | null {
  const last = (d: 0 | 1): number => first[d] + step[d] * (count[d] - 1);
  if (([0, 1] as const).some((d) => last(d) < 0 || first[d] >= size[d])) return null;
  const guards = ([0, 1] as const).map((d): Guard => ({ offset: first[d], strides: [0, d === 0 ? step[0] : 0, d === 1 ? step[1] : 0, 0], extent: size[d] }));
  return guards.filter((_, d) => first[d as 0 | 1] < 0 || last(d as 0 | 1) >= size[d as 0 | 1]);
}

function guarded(guards: readonly Guard[], inside: Expr, fill: number): Expr {
  return guards.length === 0 ? inside : { kind: "guard", dtype: inside.dtype, guards, inside, fill };
}

/** Places of a dense image [N, H, W, C] from a row and column on, in these steps. */
function place(image: readonly number[], [row, column]: Pair, step: Pair): Affine {
  const { row: nextRow, pixel: nextPixel } = imageStrides(image, [1, 1]);
  const strides = imageStrides(image, step);
  return { offset: row * nextRow + column * nextPixel, strides: [strides.image, strides.row, strides.pixel, 1] };
}

function regionKernel({ count }: Region, [batch, , , channels]: readonly number[], output: LoopOutput): LoopKernel {
  return coalesce({ kind: "loop", extents: [batch!, ...count, channels!], reduced: 0, outputs: [output] });
}
