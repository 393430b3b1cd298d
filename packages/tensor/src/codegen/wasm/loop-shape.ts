/** @file How a loop kernel is run: which loop runs innermost, whether on four lanes, and where partial results are kept. */
import { BYTES } from "../../base/dtype.ts";
import type { LoopKernel } from "../../ir/kernel.ts";
import { type Expr, forEachExpr } from "../../ir/scalar.ts";
import { hasLaneForm } from "./expr-code.ts";

/** "map" computes element by element. Of the reductions, "rows" has lanes run along the innermost reduced loop and combines them
 * at the end; "columns" has them run along the innermost independent loop, a few vectors at a time. */
type Strategy = "map" | "rows" | "columns";

export interface LoopShape {
  readonly strategy: Strategy;
  /** The loop that runs innermost. */
  readonly inner: number;
  readonly lanes: boolean;
}

/** Chooses by what memory looks like along each candidate loop. */
export function chooseShape(kernel: LoopKernel): LoopShape {
  const { extents, reduced, outputs } = kernel;
  const values = outputs.map((output) => output.value);
  const last = extents.length - 1;
  const wide = outputs.every((output) => BYTES[output.dtype] === 4);
  const laneLoop = (loop: number): boolean => wide && extents[loop]! >= 4 && hasLaneForm(values, loop);
  if (reduced === 0) {
    const contiguous = outputs.every((output) => output.at.strides[last] === 1);
    const inside = values.map((value) => (isCut(value, last) ? value.inside : value));
    return { strategy: "map", inner: last, lanes: contiguous && extents[last]! >= 4 && hasLaneForm(inside, last) };
  }
  const lastKept = last - reduced;
  if (lastKept >= 0 && unitStrides(values, lastKept) >= unitStrides(values, last) && laneLoop(lastKept) && outputs.every((o) => o.at.strides[lastKept] === 1)) {
    return { strategy: "columns", inner: lastKept, lanes: true };
  }
  return { strategy: "rows", inner: last, lanes: laneLoop(last) };
}

/** Whether a value is guarded as a whole, by guards that either do not depend on the innermost loop or hold on a known range of
 * it: then the loop is cut at the range's ends and no guard remains inside. */
export function isCut(value: Expr, inner: number): value is Expr & { kind: "guard" } {
  if (value.kind !== "guard") return false;
  return value.guards.every(({ strides }) => strides[inner] === 0 || (strides[inner] === 1 && strides.every((stride, loop) => loop === inner || stride === 0)));
}

function unitStrides(values: readonly Expr[], loop: number): number {
  let count = 0;
  forEachExpr(values, (expr) => {
    if (expr.kind === "load" && expr.at.strides[loop] === 1) count++;
  });
  return count;
}
