/** @file Horizontal fusion: loop kernels over the same indices that read a common buffer become one kernel with several results,
 * so that the buffer is read once. (The two sums of a batch-norm derivative are the typical pair.) */
import { sizeOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import type { LoopKernel, LoopOutput } from "../ir/kernel.ts";
import { rewriteExprs } from "../ir/rewrite.ts";
import type { Expr, ScalarOp } from "../ir/scalar.ts";
import { ExprTable } from "../ir/structure.ts";
import { CPU, type Target } from "../ir/target.ts";
import { arrangeCrossing } from "./crossing.ts";
import type { KernelCall } from "./lower.ts";

const MOST_OUTPUTS = 4;

export function mergeSiblings(calls: readonly KernelCall[], { mostBuffers, crossing }: Target = CPU): KernelCall[] {
  const merged: KernelCall[] = [];
  /** Position in `merged` of the call that last writes a value. */
  const writer = new Map<Node, number>();
  /** Loop kernels by iteration space. */
  const candidates = new Map<string, number[]>();
  for (const call of calls) {
    const ready = Math.max(-1, ...call.buffers.map((node) => writer.get(node) ?? -1));
    const place = findPartner(call, merged, candidates, ready, mostBuffers);
    const joined = place === null ? null : join(merged[place]!, call);
    if (place !== null && joined && !(crossing && [merged[place]!, call].some(isArranged) && !isArranged(joined))) {
      merged[place] = joined;
      for (const node of call.buffers.slice(-call.written)) writer.set(node, place);
      continue;
    }
    const position = merged.push(call) - 1;
    for (const node of call.buffers.slice(-call.written)) writer.set(node, position);
    const key = spaceOf(call);
    if (key) candidates.set(key, [...(candidates.get(key) ?? []), position]);
  }
  return merged;
}

/** Whether a loop that reads across the order in which it writes can be arranged for it: two that can are not made one that cannot. */
function isArranged({ kernel }: KernelCall): boolean {
  return kernel.kind === "loop" && arrangeCrossing(kernel) !== kernel;
}

function spaceOf({ kernel }: KernelCall): string | null {
  return kernel.kind === "loop" ? `${kernel.extents.join()};${kernel.reduced};${kernel.combine ?? ""}` : null;
}

/** An earlier kernel over the same space, after everything `call` reads, that shares its largest operand. */
function findPartner(
  call: KernelCall,
  merged: readonly KernelCall[],
  candidates: ReadonlyMap<string, readonly number[]>,
  ready: number,
  mostBuffers: number,
): number | null {
  const key = spaceOf(call);
  if (!key) return null;
  const reads = call.buffers.slice(0, -call.written);
  const largest = Math.max(0, ...reads.map((node) => sizeOf(node.shape)));
  for (const position of candidates.get(key) ?? []) {
    const other = merged[position]!;
    if (position <= ready || other.written + call.written > MOST_OUTPUTS || new Set([...other.buffers, ...call.buffers]).size > mostBuffers) continue;
    const otherReads = other.buffers.slice(0, -other.written);
    if (reads.some((node) => sizeOf(node.shape) === largest && otherReads.includes(node))) return position;
  }
  return null;
}

function join(a: KernelCall, b: KernelCall): KernelCall {
  const reads = [...new Set([...a.buffers.slice(0, -a.written), ...b.buffers.slice(0, -b.written)])];
  const writes = [...a.buffers.slice(-a.written), ...b.buffers.slice(-b.written)];
  const buffers = [...reads, ...writes];
  // What both kernels read, or find by comparing what they read, is one expression. Sums and products stay apart: whether a compiler joins them to one
  // rounded operation may depend on how often they are used.
  const table = new ExprTable();
  const outputs = [a, b].flatMap(({ kernel, buffers: from }) => {
    const place = (buffer: number): number => buffers.indexOf(from[buffer]!);
    return (kernel as LoopKernel).outputs.map((output): LoopOutput => {
      const renumbered = rewriteExprs((expr) => {
        const placed = expr.kind === "load" || expr.kind === "gather" ? { ...expr, buffer: place(expr.buffer) } : expr;
        return isExact(placed, table) ? table.intern(placed) : placed;
      });
      return { ...output, buffer: place(output.buffer), value: renumbered(output.value) };
    });
  });
  return { kernel: { ...(a.kernel as LoopKernel), outputs }, buffers, written: writes.length };
}

/** Whether an expression is read from memory, or is made of such by comparing and choosing alone. */
function isExact(expr: Expr, known: ExprTable): boolean {
  if (expr.kind === "guard") return known.has(expr.inside);
  if (expr.kind === "op") return EXACT.includes(expr.op) && expr.args.every((arg) => arg.kind === "const" || known.has(arg));
  return expr.kind === "load";
}

const EXACT: readonly ScalarOp[] = ["eq", "lt", "le", "not", "and", "or", "select"];
