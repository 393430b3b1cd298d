/** @file Which intermediate values are kept in float16: large ones that convolutions write or read, and what is computed element by element
 * from those alone. Kernels compute in float32 whatever is stored. Inputs and results of the program, reductions (statistics, losses),
 * filter gradients and results of matrix products (logits) stay float32. */
import { sizeOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import { writesGroups } from "../ir/groups.ts";
import type { Kernel } from "../ir/kernel.ts";
import { isLeaf } from "../ir/rewrite.ts";
import { type Expr, forEachExpr } from "../ir/scalar.ts";
import type { KernelCall } from "./lower.ts";

/** Elements below which half the memory is not worth the lost digits. */
const LARGE = 4096;
/** Convolutions to fewer channels than this make images or their gradients, whose signs and small differences matter. */
const FEATURE_CHANNELS = 8;

/** The values of a program that are stored in float16. Every kernel that writes one does so in aligned groups of four. */
export function chooseHalf(calls: readonly KernelCall[], outputs: readonly Node[]): ReadonlySet<Node> {
  const readers = new Map<Node, Kernel[]>();
  const barred = new Set<Node>(outputs);
  for (const { kernel, buffers, written } of calls) {
    for (const node of buffers.slice(0, -written)) readers.set(node, [...(readers.get(node) ?? []), kernel]);
    for (const node of buffers.slice(-written)) if (!writesGroups(kernel)) barred.add(node);
  }
  const half = new Set<Node>();
  for (const call of calls) {
    for (const node of call.buffers.slice(-call.written)) {
      if (barred.has(node) || isLeaf(node) || node.dtype !== "float32" || sizeOf(node.shape) < LARGE) continue;
      // Contractions alone read it: they would round it anyway.
      const onlyFactor = (readers.get(node) ?? []).every(isContraction);
      if (onlyFactor || isFeatureMap(call.kernel) || isComputedFromHalf(call, node, half)) half.add(node);
    }
  }
  return half;
}

const isContraction = ({ kind }: Kernel): boolean => kind === "conv" || kind === "filter-grad";

/** Whether the kernel is a convolution of images, not a matrix product (one image of one row), to enough channels. */
function isFeatureMap(kernel: Kernel): boolean {
  return kernel.kind === "conv" && kernel.channels >= FEATURE_CHANNELS && (kernel.batch > 1 || kernel.height > 1 || kernel.groups !== undefined);
}

/** Whether all operands of about the value's size are in float16 already, or flags. */
function isComputedFromHalf({ kernel, buffers }: KernelCall, node: Node, half: ReadonlySet<Node>): boolean {
  if (kernel.kind !== "loop") return false;
  const operands = new Set<Node>();
  const { value } = kernel.outputs.find(({ buffer }) => buffers[buffer] === node)!;
  forEachExpr([value], (expr: Expr) => {
    if (expr.kind === "load" || expr.kind === "gather") operands.add(buffers[expr.buffer]!);
  });
  const large = [...operands].filter(({ shape, dtype }) => 4 * sizeOf(shape) >= sizeOf(node.shape) && dtype !== "bool");
  return large.length > 0 && large.every((operand) => half.has(operand));
}
