/** @file Horizontal fusion: loop kernels over the same indices that read a common buffer become one kernel with several results,
 * so that the buffer is read once. (The two sums of a batch-norm derivative are the typical pair.) */
import { sizeOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import type { Kernel, LoopKernel, LoopOutput } from "../ir/kernel.ts";
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
  const join = joiner();
  for (const call of calls) {
    const space = spaceOf(call);
    const others = space === null ? [] : (candidates.get(space) ?? []);
    const ready = Math.max(-1, ...call.buffers.map((node) => writer.get(node) ?? -1));
    const place = findPartner(call, merged, others, ready, mostBuffers);
    const joined = place === null ? null : join(merged[place]!, call);
    if (place !== null && joined && !(crossing && [merged[place]!, call].some(isArranged) && !isArranged(joined))) {
      merged[place] = joined;
      for (const node of call.buffers.slice(-call.written)) writer.set(node, place);
      continue;
    }
    const position = merged.push(call) - 1;
    for (const node of call.buffers.slice(-call.written)) writer.set(node, position);
    if (space === null) continue;
    others.push(position);
    candidates.set(space, others);
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

/** Of the kernels over the same space the first one after everything `call` reads that shares its largest operand. */
function findPartner(call: KernelCall, merged: readonly KernelCall[], candidates: readonly number[], ready: number, mostBuffers: number): number | null {
  let first = candidates.length;
  while (first > 0 && candidates[first - 1]! > ready) first--;
  if (first === candidates.length) return null;
  const reads = call.buffers.slice(0, -call.written);
  const largest = Math.max(0, ...reads.map((node) => sizeOf(node.shape)));
  const shared = reads.filter((node) => sizeOf(node.shape) === largest);
  for (const position of candidates.slice(first)) {
    const other = merged[position]!;
    if (other.written + call.written > MOST_OUTPUTS) continue;
    const otherReads = other.buffers.slice(0, -other.written);
    if (shared.some((node) => otherReads.includes(node)) && new Set([...other.buffers, ...call.buffers]).size <= mostBuffers) return position;
  }
  return null;
}

/** Makes one call of two; equal kernels that share buffers alike are joined once. */
function joiner(): (a: KernelCall, b: KernelCall) => KernelCall {
  const numbers = new Map<Kernel, number>();
  const numberOf = (kernel: Kernel): number => {
    const number = numbers.get(kernel) ?? numbers.size;
    numbers.set(kernel, number);
    return number;
  };
  const known = new Map<string, LoopKernel>();
  return (a, b) => {
    const reads = [...new Set([...a.buffers.slice(0, -a.written), ...b.buffers.slice(0, -b.written)])];
    const buffers = [...reads, ...a.buffers.slice(-a.written), ...b.buffers.slice(-b.written)];
    const [places, others] = [a, b].map((call) => call.buffers.map((node) => buffers.indexOf(node))) as [number[], number[]];
    const key = `${numberOf(a.kernel)} ${places.join()} ${numberOf(b.kernel)} ${others.join()}`;
    const kernel = known.get(key) ?? joined(a.kernel as LoopKernel, places, b.kernel as LoopKernel, others);
    known.set(key, kernel);
    return { kernel, buffers, written: a.written + b.written };
  };
}

/** One kernel with the results of two, whose buffers come to be at these places. */
function joined(a: LoopKernel, places: readonly number[], b: LoopKernel, others: readonly number[]): LoopKernel {
  // What both kernels read, or find by comparing what they read, is one expression. Sums and products stay apart: whether a compiler joins them to one
  // rounded operation may depend on how often they are used.
  const table = new ExprTable();
  const outputsOf = ({ outputs }: LoopKernel, placeOf: readonly number[]): LoopOutput[] => {
    // Both may be the same kernel: operands that are no operations become objects of each side's own.
    const own = new Map<Expr, Expr>();
    const ownOf = (expr: Expr): Expr => {
      const known = own.get(expr) ?? { ...expr };
      own.set(expr, known);
      return known;
    };
    return outputs.map((output): LoopOutput => {
      const renumbered = rewriteExprs((expr) => {
        if (expr.kind === "const" || expr.kind === "index") return ownOf(expr);
        const placed = expr.kind === "load" || expr.kind === "gather" ? { ...expr, buffer: placeOf[expr.buffer]! } : expr;
        return isExact(placed, table) ? table.intern(placed) : placed;
      });
      return { ...output, buffer: placeOf[output.buffer]!, value: renumbered(output.value) };
    });
  };
  return { ...a, outputs: [...outputsOf(a, places), ...outputsOf(b, others)] };
}

/** Whether an expression is read from memory, or is made of such by comparing and choosing alone. */
function isExact(expr: Expr, known: ExprTable): boolean {
  if (expr.kind === "guard") return known.has(expr.inside);
  if (expr.kind === "op") return EXACT.includes(expr.op) && expr.args.every((arg) => arg.kind === "const" || known.has(arg));
  return expr.kind === "load";
}

const EXACT: readonly ScalarOp[] = ["eq", "lt", "le", "not", "and", "or", "select"];
