/** @file Lowering: from a graph and the choice of stored values to kernels over buffers, in an order that respects dependencies. Equal parts of a
 * graph (an attack's steps) are lowered once. */
import { invariant } from "../base/errors.ts";
import { sizeOf, stridesOf } from "../base/shape.ts";
import { Node, topologicalOrder } from "../ir/graph.ts";
import type { Kernel, LoopKernel } from "../ir/kernel.ts";
import { coalesce, reductionParts, splitReduction } from "../ir/loop-nest.ts";
import { NodeKinds } from "../ir/node-kinds.ts";
import type { Chain } from "../ir/parts.ts";
import { isLeaf } from "../ir/rewrite.ts";
import type { Affine } from "../ir/scalar.ts";
import { LONGEST_REDUCTION } from "../ir/sums.ts";
import { CPU, type Target } from "../ir/target.ts";
import { operation } from "../ops/definition.ts";
import { keptAxes } from "../ops/reduce.ts";
import { bufferOwner, ExprBuilder, isStored } from "./expr-builder.ts";
import { chooseMaterialized } from "./fuse.ts";
import { KERNELS, type Step, stepsOf } from "./kernel-node.ts";

/** A kernel and the values its buffers hold, by position. */
export interface KernelCall {
  readonly kernel: Kernel;
  readonly buffers: readonly Node[];
  /** How many of the last buffers are written. */
  readonly written: number;
  /** Where it belongs to a chain the kernel does one part, and each buffer starts so many bytes further on for the next part: none where all parts read the
   * same, and where what they write is kept in the thread's own memory. */
  readonly chain?: Chain;
  readonly steps?: readonly number[];
}

/** What is known of the graph while it is lowered. */
interface Surroundings {
  readonly materialized: ReadonlySet<Node>;
  readonly target: Target;
  readonly kinds: NodeKinds;
  /** Loops that were made before, by the part of the graph that they compute. */
  readonly loops: Map<string, Loops>;
  /** Kernels of nodes that carry their own, by kind. */
  readonly steps: Map<number, readonly Step[]>;
}

/** The kernels of a part of the graph: one, or, for a reduction in two steps, the one that makes `parts` partial results and the one that combines them. */
interface Loops {
  readonly kernels: readonly LoopKernel[];
  /** Which of the stored values that the part reads are the first kernel's buffers. */
  readonly reads: readonly number[];
  readonly parts: number;
}

export function lowerGraph(outputs: readonly Node[], target: Target = CPU, kinds: NodeKinds = new NodeKinds()): KernelCall[] {
  const around: Surroundings = { materialized: chooseMaterialized(outputs), target, kinds, loops: new Map(), steps: new Map() };
  const calls: KernelCall[] = [];
  for (const node of topologicalOrder(outputs)) {
    // A result without elements needs a place, but nothing that writes it.
    if (!isLeaf(node) && around.materialized.has(node) && sizeOf(node.shape) > 0) calls.push(...lowerNode(node, around));
  }
  return calls;
}

function lowerNode(node: Node, around: Surroundings): KernelCall[] {
  switch (node.op) {
    case KERNELS: {
      const kind = around.kinds.numberOf(node);
      const steps = around.steps.get(kind) ?? stepsOf(node);
      around.steps.set(kind, steps);
      return steps.map(({ kernel, inputs }) => ({ kernel, buffers: [...inputs.map((i) => bufferOwner(node.inputs[i]!)), node], written: 1 }));
    }
    case "random-bits": {
      const keys = sizeOf(node.inputs[0]!.shape) / 2;
      return [
        {
          kernel: { kind: "random", ...(keys > 1 && { keys }), count: sizeOf(node.shape) / keys },
          buffers: [...node.inputs.map(bufferOwner), node],
          written: 1,
        },
      ];
    }
    case "scatter-add":
      return [lowerScatter(node, around.target)];
    default:
      return lowerLoops(node, around);
  }
}

/** A value that loops compute. */
function lowerLoops(node: Node, around: Surroundings): KernelCall[] {
  const { key, owners } = partOf(node, around);
  let loops = around.loops.get(key);
  if (!loops) {
    const builder = new ExprBuilder(Math.max(1, isReduction(node) ? node.inputs[0]!.shape.length : node.shape.length), around.materialized);
    const kernels = isReduction(node) ? reduceLoops(node, builder, around.target) : { kernels: [mapLoop(node, builder)], parts: 1 };
    loops = { ...kernels, reads: builder.buffers.map((owner) => owners.indexOf(owner)) };
    around.loops.set(key, loops);
  }
  const { kernels, parts } = loops;
  const reads = loops.reads.map((i) => owners[i]!);
  const [first, second] = kernels as [LoopKernel, LoopKernel?];
  if (!second) return [{ kernel: first, buffers: [...reads, node], written: 1 }];
  const partial = new Node("partial", node.inputs, {}, [parts, ...node.shape], node.dtype);
  return [
    { kernel: first, buffers: [...reads, partial], written: 1 },
    { kernel: second, buffers: [partial, node], written: 1 },
  ];
}

function isReduction(node: Node): boolean {
  return operation(node.op).lower.kind === "reduce";
}

/** The part of the graph that a value is computed from where it is stored: as text, equal for equal parts, and the stored values that it reads. */
function partOf(root: Node, { materialized, kinds }: Surroundings): { readonly key: string; readonly owners: readonly Node[] } {
  const owners: Node[] = [];
  const numbers = new Map<Node, number>();
  let key = "";
  const visit = (node: Node): void => {
    const number = numbers.get(node);
    if (number !== undefined) {
      key += `#${number} `;
      return;
    }
    numbers.set(node, numbers.size);
    if (node !== root && isStored(node, materialized)) {
      const owner = bufferOwner(node);
      let at = owners.indexOf(owner);
      if (at < 0) at = owners.push(owner) - 1;
      key += `@${at} ${node.dtype}[${node.shape.join()}] `;
      return;
    }
    key += `${kinds.numberOf(node)}(`;
    for (const input of node.inputs) visit(input);
    key += ")";
  };
  visit(root);
  return { key, owners };
}

function unitIndex(loops: number, loop: number): Affine {
  return { offset: 0, strides: Array.from({ length: loops }, (_, i) => (i === loop ? 1 : 0)) };
}

function mapLoop(node: Node, builder: ExprBuilder): LoopKernel {
  // A scalar is a loop of one turn.
  const extents = node.shape.length > 0 ? node.shape : [1];
  const value = builder.compute(
    node,
    node.shape.map((_, axis) => unitIndex(extents.length, axis)),
  );
  return coalesce({
    kind: "loop",
    extents,
    reduced: 0,
    outputs: [{ buffer: builder.buffers.length, dtype: node.dtype, at: { offset: 0, strides: stridesOf(extents) }, value }],
  });
}

function reduceLoops(node: Node, builder: ExprBuilder, target: Target): Omit<Loops, "reads"> {
  const x = node.inputs[0]!;
  const axes = node.attrs["axes"] as readonly number[];
  const order = [...keptAxes(x.shape.length, axes), ...axes];
  const rank = order.length;
  const value = builder.read(
    x,
    x.shape.map((_, axis) => unitIndex(rank, order.indexOf(axis))),
  );
  const { lower } = operation(node.op);
  invariant(lower.kind === "reduce", `${node.op} is not a reduction`);
  const strides = [...stridesOf(node.shape), ...axes.map(() => 0)];
  const kernel = coalesce({
    kind: "loop",
    extents: order.map((axis) => x.shape[axis]!),
    reduced: axes.length,
    combine: lower.combine,
    outputs: [{ buffer: builder.buffers.length, dtype: node.dtype, at: { offset: 0, strides }, value }],
  });
  const parts = reductionParts(kernel, target);
  if (parts === 1) return { kernels: [kernel], parts };
  const size = sizeOf(node.shape);
  const second: LoopKernel = {
    kind: "loop",
    extents: [size, parts],
    reduced: 1,
    combine: lower.combine,
    outputs: [
      {
        buffer: 1,
        dtype: node.dtype,
        at: { offset: 0, strides: [1, 0] },
        value: { kind: "load", dtype: node.dtype, buffer: 0, at: { offset: 0, strides: [1, size] } },
      },
    ],
  };
  return { kernels: [splitReduction(kernel, parts, size), coalesce(second)], parts };
}

function lowerScatter(node: Node, { wideScatter }: Target): KernelCall {
  const [updates, ...indices] = node.inputs as [Node, ...Node[]];
  const depth = indices.length;
  const count = sizeOf(indices[0]!.shape);
  // Room for as many float64.
  const sums = wideScatter && count > LONGEST_REDUCTION ? [new Node("partial", [updates], {}, [2, ...node.shape], node.dtype)] : [];
  return {
    kernel: {
      kind: "scatter-add",
      count,
      slice: sizeOf(node.shape.slice(depth)),
      size: sizeOf(node.shape),
      extents: node.shape.slice(0, depth),
      strides: stridesOf(node.shape).slice(0, depth),
      wide: sums.length > 0,
    },
    buffers: [bufferOwner(updates), ...indices.map(bufferOwner), ...sums, node],
    written: 1 + sums.length,
  };
}
