/** @file Loop nests that read across the order in which they write (transpositions, alone or with arithmetic), arranged so that they read
 * whole vectors all the same, which code generation then turns. */
import type { LoopKernel } from "../ir/kernel.ts";
import { sideBySide } from "../ir/loop-nest.ts";
import { rewriteExprs } from "../ir/rewrite.ts";
import { type Affine, forEachExpr } from "../ir/scalar.ts";
import { ExprTable } from "../ir/structure.ts";

/** Lanes of a vector. */
const LANES = 4;
/** Results of one turn, at most: code grows with them. */
const MOST_RESULTS = 80;

const arranged = new WeakMap<LoopKernel, LoopKernel>();

/** The same kernel with so many turns of outer loops side by side that what it reads across lies next to each other in whole vectors. */
export function arrangeCrossing(kernel: LoopKernel): LoopKernel {
  const known = arranged.get(kernel) ?? arrange(kernel);
  arranged.set(kernel, known);
  return known;
}

function arrange(kernel: LoopKernel): LoopKernel {
  const { extents, outputs, reduced } = kernel;
  const inner = extents.length - 1;
  if (reduced > 0 || extents[inner]! < LANES || outputs.some((output) => output.at.strides[inner] !== 1)) return kernel;
  const crossing: Affine[] = [];
  forEachExpr(
    outputs.map((output) => output.value),
    (expr) => {
      if (expr.kind === "load" && Math.abs(expr.at.strides[inner]!) > 1) crossing.push(expr.at);
    },
  );
  if (crossing.length === 0) return kernel;
  // Loops whose turns continue each other in all that is read across, until together they make whole vectors.
  const turns = new Map<number, number>();
  for (let run = 1; run % LANES !== 0; ) {
    const loop = extents.findIndex((_, i) => i !== inner && !turns.has(i) && crossing.every((at) => Math.abs(at.strides[i]!) === run));
    if (loop < 0) return kernel;
    const extent = extents[loop]!;
    turns.set(loop, extent % LANES === 0 ? LANES : extent);
    run *= turns.get(loop)!;
    if (run * outputs.length > MOST_RESULTS) return kernel;
  }
  let result = kernel;
  for (const [loop, count] of turns) result = sideBySide(result, loop, count);
  return { ...result, outputs: shareEqual(result.outputs) };
}

/** Makes equal expressions one object: what does not depend on the loop is the same in each copy. */
function shareEqual(outputs: LoopKernel["outputs"]): LoopKernel["outputs"] {
  const table = new ExprTable();
  const share = rewriteExprs((expr) => table.intern(expr));
  return outputs.map((output) => ({ ...output, value: share(output.value) }));
}
