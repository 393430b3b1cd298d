/** @file Kernels in parts: a part is the same kernel over a few turns of its outermost loop, of images mostly, on buffers that start further on. */
import type { Kernel, LoopKernel } from "./kernel.ts";
import { coalesce } from "./loop-nest.ts";
import { type Affine, forEachExpr } from "./scalar.ts";

/** Kernels that are done part by part, each part by one thread: all of them for the first part, and so on. */
export interface Chain {
  readonly parts: number;
}

interface Part {
  readonly kernel: Kernel;
  /** Per buffer, elements from a part's share to the next one's: an equal one for each part, or 0 where each may read all there is. */
  readonly steps: readonly number[];
}

const known = new WeakMap<Kernel, Map<string, Part | null>>();

/** One of so many equal parts of a kernel, whose buffers have so many elements each. No part uses another one's share of a buffer that has shares. Null
 * where the kernel has no such parts. */
export function partOf(kernel: Kernel, parts: number, sizes: readonly number[]): Part | null {
  const ofKernel = known.get(kernel) ?? new Map<string, Part | null>();
  known.set(kernel, ofKernel);
  const key = `${parts} ${sizes.join()}`;
  let part = ofKernel.get(key);
  if (part === undefined) {
    part = makePart(kernel, parts, sizes);
    ofKernel.set(key, part);
  }
  return part;
}

function makePart(kernel: Kernel, parts: number, sizes: readonly number[]): Part | null {
  /** Nothing lies outside of a buffer: where the strides of all images make up the whole of it, what belongs to one is within its stride. */
  const ofImages = (images: number, strides: readonly number[], part: Kernel): Part | null =>
    images % parts === 0 && strides.every((stride, i) => stride === 0 || stride * images === sizes[i]) && strides.at(-1) !== 0
      ? { kernel: part, steps: strides.map((stride) => (stride * images) / parts) }
      : null;
  switch (kernel.kind) {
    case "loop":
      return partOfLoop(kernel, parts, sizes);
    case "conv": {
      const { batch, groups, input, output } = kernel;
      return groups ? null : ofImages(batch, [input.image, 0, output.image], { ...kernel, batch: batch / parts });
    }
    case "tile-transform":
    case "winograd-conv": {
      const { images, input, output } = kernel;
      const strides = kernel.kind === "winograd-conv" ? [input.image, 0, output.image] : [input.image, output.image];
      return ofImages(images, strides, { ...kernel, images: images / parts });
    }
    // Planar convolutions compute much of each element they read: in parts the single-layer network's steps take 1 to 2 % longer.
    default:
      return null;
  }
}

function partOfLoop(kernel: LoopKernel, parts: number, sizes: readonly number[]): Part | null {
  const { extents, reduced, outputs } = kernel;
  const turns = extents[0]!;
  if (reduced === extents.length || turns % parts !== 0) return null;
  const steps = new Map<number, number>();
  let fits = true;
  const note = (buffer: number, { strides }: Affine): void => {
    const step = (strides[0]! * turns) / parts;
    fits &&= (step === 0 || step * parts === sizes[buffer]) && (steps.get(buffer) ?? step) === step;
    steps.set(buffer, step);
  };
  for (const { buffer, at } of outputs) {
    note(buffer, at);
    fits &&= at.strides[0] !== 0;
  }
  forEachExpr(
    outputs.map(({ value }) => value),
    (expr) => {
      if (expr.kind === "load" || expr.kind === "gather") note(expr.buffer, expr.at);
      else if (expr.kind === "index") fits &&= expr.at.strides[0] === 0;
      else if (expr.kind === "guard") fits &&= expr.guards.every(({ strides }) => strides[0] === 0);
    },
  );
  if (!fits) return null;
  return { kernel: coalesce({ ...kernel, extents: [turns / parts, ...extents.slice(1)] }), steps: sizes.map((_, buffer) => steps.get(buffer) ?? 0) };
}

/** Calls that belong together: those of a chain, which follow each other, or one alone. */
export function unitsOf<Call extends { readonly chain?: Chain }>(calls: readonly Call[]): Call[][] {
  const units: Call[][] = [];
  for (const call of calls) {
    const before = units.at(-1);
    if (before && call.chain && before[0]!.chain === call.chain) before.push(call);
    else units.push([call]);
  }
  return units;
}
