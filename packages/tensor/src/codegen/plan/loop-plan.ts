/** @file How a loop kernel is run, decided before any code is written, as plain data: what runs innermost and whether on four lanes, what a task
 * is, what stays in registers, where guards cut loops and where long sums are cut. */
import { BYTES } from "../../base/dtype.ts";
import type { LoopKernel } from "../../ir/kernel.ts";
import { type Expr, forEachExpr, type Guard } from "../../ir/scalar.ts";
import { structuralKey } from "../../ir/structure.ts";
import { LONGEST_REDUCTION, sumBlock } from "../../ir/sums.ts";

/** Elements of one task, about: enough to outweigh claiming it, few enough to share out evenly. */
const TASK_ELEMENTS = 16384;

/** Tasks of a column reduction that are enough to share out. */
const ENOUGH_TASKS = 32;

/** Vectors of results that a column reduction keeps in locals, all outputs together. An operand of each is loaded before they are combined, and
 * with one more the last one would live in memory. */
const COLUMN_VECTORS = 7;

interface LoopShape {
  /** "map" computes element by element. Of the reductions, "rows" has lanes run along the innermost reduced loop and combines them
   * at the end; "columns" has them run along the innermost independent loop, a few vectors at a time. */
  readonly strategy: "map" | "rows" | "columns";
  /** The loop that runs innermost. */
  readonly inner: number;
  readonly lanes: boolean;
}

interface TaskPlan {
  readonly tasks: number;
  /** Outer loops whose index is the task's, outermost first. */
  readonly fixed: readonly number[];
  /** The loop of which each task has a piece of `size` turns. */
  readonly piece: { readonly loop: number; readonly size: number; readonly count: number } | null;
}

/** Outputs of a map under the same guards. */
export interface MapSection {
  /** Their positions among the kernel's outputs. */
  readonly outputs: readonly number[];
  /** Guards that do not depend on the innermost loop. */
  readonly guards: readonly Guard[];
  /** The turns of the innermost loop in which the others hold. */
  readonly from: number;
  readonly to: number;
}

export interface LoopPlan extends LoopShape, TaskPlan {
  /** Of a map. */
  readonly sections: readonly MapSection[];
  /** Of columns: vectors of each output that stay in registers. */
  readonly vectors: number;
  /** Of a long sum: the reduced loop that is cut into blocks of `size` turns, whose sums are added up apart. */
  readonly block: { readonly loop: number; readonly size: number } | null;
}

/** Decides how a kernel is run; `wide` engines have registers of eight elements. */
export function planLoop(kernel: LoopKernel, wide: boolean): LoopPlan {
  const shape = chooseShape(kernel);
  const tasks = planTasks(kernel, shape);
  const { extents, outputs } = kernel;
  const { strategy, inner } = shape;
  const turns = tasks.piece?.loop === inner ? tasks.piece.size : extents[inner]!;
  const limit = Math.floor(((wide ? 2 : 1) * COLUMN_VECTORS) / outputs.length);
  return {
    ...shape,
    ...tasks,
    sections: strategy === "map" ? planSections(kernel, inner) : [],
    vectors: strategy === "columns" ? largestDivisor(Math.floor(turns / 4), Math.max(1, limit)) : 1,
    block: strategy === "map" ? null : planBlock(kernel, shape),
  };
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
    const inside = values.map((value) => valueInside(value, last));
    return { strategy: "map", inner: last, lanes: contiguous && extents[last]! >= 4 && hasLaneForm(inside, last) };
  }
  const lastKept = last - reduced;
  if (lastKept >= 0 && unitStrides(values, lastKept) >= unitStrides(values, last) && laneLoop(lastKept) && outputs.every((o) => o.at.strides[lastKept] === 1)) {
    return { strategy: "columns", inner: lastKept, lanes: true };
  }
  return { strategy: "rows", inner: last, lanes: laneLoop(last) };
}

/** Whether a kernel's expressions can run on lanes at all. */
function hasLaneForm(roots: readonly Expr[], inner: number): boolean {
  let fits = true;
  forEachExpr(roots, (expr) => {
    if (expr.kind === "guard") fits &&= expr.guards.every((guard) => guard.strides[inner] === 0);
    // Lane shifts take one amount for all lanes.
    else if (expr.kind === "op" && (expr.op === "shiftLeft" || expr.op === "shiftRight")) fits &&= expr.args[1]!.kind === "const";
  });
  return fits;
}

/** Shares out independent loops, outer ones first. */
function planTasks({ extents, reduced }: LoopKernel, { strategy, inner, lanes }: LoopShape): TaskPlan {
  const kept = extents.length - reduced;
  const work = extents.reduce((n, extent) => n * extent, 1);
  const wanted = Math.max(1, Math.ceil(work / TASK_ELEMENTS));
  const fixed: number[] = [];
  let tasks = 1;
  let loop = 0;
  // Whole loops become tasks while one task would still be too much work.
  while (loop < kept && tasks * extents[loop]! <= wanted && (loop !== inner || !lanes)) {
    tasks *= extents[loop]!;
    fixed.push(loop++);
  }
  // Parts of a row are read less well than whole rows.
  const enough = strategy === "columns" && loop === inner ? ENOUGH_TASKS : wanted;
  if (loop >= kept || tasks >= enough) return { tasks, fixed, piece: null };
  const turns = Math.max(1, Math.ceil(extents[loop]! / Math.ceil(wanted / tasks)));
  const size = loop === inner ? Math.ceil(turns / 16) * 16 : turns;
  const count = Math.ceil(extents[loop]! / size);
  return { tasks: tasks * count, fixed, piece: count > 1 ? { loop, size, count } : null };
}

function planSections({ extents, outputs }: LoopKernel, inner: number): MapSection[] {
  const extent = extents[inner]!;
  const groups = new Map<string, { readonly guards: readonly Guard[]; readonly outputs: number[] }>();
  outputs.forEach(({ value }, i) => {
    const guards = isCut(value, inner) ? value.guards : [];
    const key = structuralKey(guards);
    const group = groups.get(key) ?? { guards, outputs: [] };
    groups.set(key, group);
    group.outputs.push(i);
  });
  return [...groups.values()].map(({ guards, outputs: members }) => {
    const ranges = guards.filter((guard) => guard.strides[inner] === 1);
    const from = Math.min(extent, Math.max(0, ...ranges.map((guard) => -guard.offset)));
    const to = Math.max(from, Math.min(extent, ...ranges.map((guard) => guard.extent - guard.offset)));
    return { outputs: members, guards: guards.filter((guard) => guard.strides[inner] === 0), from, to };
  });
}

/** Where an accumulator would take too many terms, it goes through a block of them at a time: the innermost loops that fit into one, and as many
 * turns of the next one as do. */
function planBlock({ extents, reduced, combine, outputs }: LoopKernel, { strategy, inner, lanes }: LoopShape): LoopPlan["block"] {
  const first = extents.length - reduced;
  const terms = (loop: number): number => extents[loop]! / (strategy === "rows" && lanes && loop === inner ? 4 : 1);
  let total = 1;
  for (let loop = first; loop < extents.length; loop++) total *= terms(loop);
  if (combine !== "sum" || total <= LONGEST_REDUCTION || !outputs.some(({ dtype }) => dtype === "float32")) return null;
  const block = sumBlock(0);
  let loop = extents.length - 1;
  let inside = 1;
  while (inside * terms(loop) < block) inside *= terms(loop--);
  return { loop, size: Math.floor(block / inside) * (extents[loop]! / terms(loop)) };
}

/** Whether a value is guarded as a whole, by guards that either do not depend on the innermost loop or hold on a known range of
 * it: then the loop is cut at the range's ends and no guard remains inside. */
function isCut(value: Expr, inner: number): value is Expr & { kind: "guard" } {
  if (value.kind !== "guard") return false;
  return value.guards.every(({ strides }) => strides[inner] === 0 || (strides[inner] === 1 && strides.every((stride, loop) => loop === inner || stride === 0)));
}

/** What a map computes where its section's guards hold. */
export function valueInside(value: Expr, inner: number): Expr {
  return isCut(value, inner) ? value.inside : value;
}

function unitStrides(values: readonly Expr[], loop: number): number {
  let count = 0;
  forEachExpr(values, (expr) => {
    if (expr.kind === "load" && expr.at.strides[loop] === 1) count++;
  });
  return count;
}

/** The largest divisor of n that is not above the limit. */
function largestDivisor(n: number, limit: number): number {
  let divisor = Math.min(n, limit);
  while (divisor > 1 && n % divisor !== 0) divisor--;
  return divisor;
}
