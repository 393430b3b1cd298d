/** @file Loop nests: merging neighbouring loops that memory does not tell apart, and splitting reductions into parts. */
import { invariant } from "../base/errors.ts";
import type { LoopKernel, LoopOutput } from "./kernel.ts";
import { rewriteExprs } from "./rewrite.ts";
import { type Affine, forEachExpr, type Guard } from "./scalar.ts";
import type { Target } from "./target.ts";

/** Rewrites every index of a kernel. */
function transformKernel(
  kernel: LoopKernel,
  extents: readonly number[],
  reduced: number,
  affine: (a: Affine) => Affine,
  guard: (g: Guard) => Guard,
): LoopKernel {
  const map = rewriteExprs((expr) => {
    if (expr.kind === "guard") return { ...expr, guards: expr.guards.map(guard) };
    return "at" in expr ? { ...expr, at: affine(expr.at) } : expr;
  });
  const outputs = kernel.outputs.map((output): LoopOutput => ({ ...output, at: affine(output.at), value: map(output.value) }));
  return { ...kernel, extents, reduced, outputs };
}

/** Drops loops of one turn (but the last, if there is no other) and merges loops i, i+1 where every access moves through memory as if they were one. */
export function coalesce(kernel: LoopKernel): LoopKernel {
  let current = dropSingleTurns(kernel);
  for (let loop = current.extents.length - 2; loop >= 0; loop--) {
    const firstReduced = current.extents.length - current.reduced;
    if (loop + 1 === firstReduced || !canMerge(current, loop)) continue;
    const inner = current.extents[loop + 1]!;
    const without = (strides: readonly number[]): number[] => strides.filter((_, i) => i !== loop);
    const extents = current.extents.flatMap((extent, i) => (i === loop ? [] : i === loop + 1 ? [extent * current.extents[loop]!] : [extent]));
    const affine = (a: Affine): Affine => ({ offset: a.offset, strides: without(a.strides) });
    const guard = (g: Guard): Guard =>
      g.strides[loop] !== 0 && g.strides[loop + 1] === 0
        ? { offset: g.offset * inner, strides: without(g.strides).map((_, i) => (i === loop ? 1 : 0)), extent: g.extent * inner }
        : { ...affine(g), extent: g.extent };
    current = transformKernel(current, extents, loop >= firstReduced ? current.reduced - 1 : current.reduced, affine, guard);
  }
  return current;
}

function dropSingleTurns(kernel: LoopKernel): LoopKernel {
  const kept = kernel.extents.map((extent) => extent !== 1);
  if (!kept.includes(true)) kept[kept.length - 1] = true;
  if (kept.every(Boolean)) return kernel;
  const keep = <T>(list: readonly T[]): T[] => list.filter((_, i) => kept[i]);
  const affine = (a: Affine): Affine => ({ offset: a.offset, strides: keep(a.strides) });
  const reduced = kept.slice(kernel.extents.length - kernel.reduced).filter(Boolean).length;
  return transformKernel(kernel, keep(kernel.extents), reduced, affine, (g) => ({ ...affine(g), extent: g.extent }));
}

function canMerge(kernel: LoopKernel, loop: number): boolean {
  const inner = kernel.extents[loop + 1]!;
  const fits = ({ strides }: Affine): boolean => strides[loop] === strides[loop + 1]! * inner;
  const guardFits = (guard: Guard): boolean => {
    if (fits(guard)) return true;
    // A guard on the outer loop alone becomes a range of the merged loop.
    return guard.strides[loop] === 1 && guard.strides.every((stride, i) => i === loop || stride === 0);
  };
  let ok = kernel.outputs.every((output) => fits(output.at));
  forEachExpr(
    kernel.outputs.map((output) => output.value),
    (expr) => {
      if (expr.kind === "index" || expr.kind === "load" || expr.kind === "gather") ok &&= fits(expr.at);
      else if (expr.kind === "guard") ok &&= expr.guards.every(guardFits);
    },
  );
  return ok;
}

/** The first half of a reduction in two steps: `parts` partial results, as a new independent loop, around those that take smaller steps through memory.
 * The outputs' addresses gain that loop with stride `partStride`. */
export function splitReduction(kernel: LoopKernel, parts: number, partStride: number): LoopKernel {
  const first = kernel.extents.length - kernel.reduced;
  const extent = kernel.extents[first]!;
  invariant(extent % parts === 0, `reduction of ${extent} split into ${parts}`);
  const turn = extent / parts;
  const place = loopsAround(kernel, first, turn);
  const inserted = (list: readonly number[], value: number): number[] => [...list.slice(0, place), value, ...list.slice(place)];
  const extents = inserted([...kernel.extents.slice(0, first), turn, ...kernel.extents.slice(first + 1)], parts);
  const affine = (a: Affine): Affine => ({ offset: a.offset, strides: inserted(a.strides, a.strides[first]! * turn) });
  const split = transformKernel(kernel, extents, kernel.reduced, affine, (g) => ({ ...affine(g), extent: g.extent }));
  return {
    ...split,
    outputs: split.outputs.map((output) => ({ ...output, at: { ...output.at, strides: output.at.strides.map((s, i) => (i === place ? partStride : s)) } })),
  };
}

/** How many of the independent loops take larger steps through all that is summed than `turn` turns of a loop do. */
function loopsAround({ outputs }: LoopKernel, loop: number, turn: number): number {
  const summed: Affine[] = [];
  forEachExpr(
    outputs.map(({ value }) => value),
    (expr) => {
      if (expr.kind === "load" && expr.at.strides[loop] !== 0) summed.push(expr.at);
    },
  );
  let around = 0;
  while (around < loop && summed.length > 0 && summed.every(({ strides }) => Math.abs(strides[around]!) > turn * Math.abs(strides[loop]!))) around++;
  return around;
}

/** The kernel whose independent loop takes `count` steps at once, with as many times the outputs. */
export function sideBySide(kernel: LoopKernel, loop: number, count: number): LoopKernel {
  const extents = kernel.extents.map((extent, i) => (i === loop ? extent / count : extent));
  const outputs = Array.from({ length: count }, (_, turn) => {
    const affine = <T extends Affine>(at: T): T => ({
      ...at,
      offset: at.offset + turn * at.strides[loop]!,
      strides: at.strides.map((stride, i) => (i === loop ? count * stride : stride)),
    });
    return transformKernel(kernel, extents, kernel.reduced, affine, (guard) => ({ ...affine(guard), extent: guard.extent })).outputs;
  });
  return { ...kernel, extents, outputs: outputs.flat() };
}

/** Into how many parts to split a reduction: the largest divisor of its first loop that leaves enough work per part. */
export function reductionParts(kernel: LoopKernel, { enoughResults, partElements, mostParts, batchInvariant }: Target): number {
  const first = kernel.extents.length - kernel.reduced;
  const kept = batchInvariant ? 1 : kernel.extents.slice(0, first).reduce((n, extent) => n * extent, 1);
  const total = kernel.extents.slice(first).reduce((n, extent) => n * extent, 1);
  // Enough independent results keep the threads busy without a second step.
  if (kernel.reduced === 0 || kept >= enoughResults || kept * total < 8 * partElements) return 1;
  const extent = kernel.extents[first]!;
  for (let parts = Math.min(mostParts, Math.floor((kept * total) / partElements)); parts > 1; parts--) if (extent % parts === 0) return parts;
  return 1;
}
