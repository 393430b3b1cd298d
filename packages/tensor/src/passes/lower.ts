/** @file Lowering: from a graph and the choice of stored values to kernels over buffers, in an order that respects dependencies. */
import { invariant } from "../base/errors.ts";
import { sizeOf, stridesOf } from "../base/shape.ts";
import { Node, topologicalOrder } from "../ir/graph.ts";
import type { Kernel, LoopKernel } from "../ir/kernel.ts";
import { coalesce, reductionParts, splitReduction } from "../ir/loop-nest.ts";
import { isLeaf } from "../ir/rewrite.ts";
import type { Affine } from "../ir/scalar.ts";
import { LONGEST_REDUCTION } from "../ir/sums.ts";
import { CPU, type Target } from "../ir/target.ts";
import { operation } from "../ops/definition.ts";
import { keptAxes } from "../ops/reduce.ts";
import { bufferOwner, ExprBuilder } from "./expr-builder.ts";
import { chooseMaterialized } from "./fuse.ts";
import { KERNELS, stepsOf } from "./kernel-node.ts";

/** A kernel and the values its buffers hold, by position. */
export interface KernelCall {
  readonly kernel: Kernel;
  readonly buffers: readonly Node[];
  /** How many of the last buffers are written. */
  readonly written: number;
}

export function lowerGraph(outputs: readonly Node[], target: Target = CPU): KernelCall[] {
  const materialized = chooseMaterialized(outputs);
  const calls: KernelCall[] = [];
  for (const node of topologicalOrder(outputs)) {
    // A result without elements needs a place, but nothing that writes it.
    if (!isLeaf(node) && materialized.has(node) && sizeOf(node.shape) > 0) calls.push(...lowerNode(node, materialized, target));
  }
  return calls;
}

function lowerNode(node: Node, materialized: ReadonlySet<Node>, target: Target): KernelCall[] {
  switch (node.op) {
    case KERNELS:
      return stepsOf(node).map(({ kernel, inputs }) => ({ kernel, buffers: [...inputs.map((i) => bufferOwner(node.inputs[i]!)), node], written: 1 }));
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
      return [lowerScatter(node, target)];
    default:
      return operation(node.op).lower.kind === "reduce" ? lowerReduce(node, materialized, target) : [lowerMap(node, materialized)];
  }
}

function unitIndex(loops: number, loop: number): Affine {
  return { offset: 0, strides: Array.from({ length: loops }, (_, i) => (i === loop ? 1 : 0)) };
}

function lowerMap(node: Node, materialized: ReadonlySet<Node>): KernelCall {
  // A scalar is a loop of one turn.
  const extents = node.shape.length > 0 ? node.shape : [1];
  const builder = new ExprBuilder(extents.length, materialized);
  const value = builder.compute(
    node,
    node.shape.map((_, axis) => unitIndex(extents.length, axis)),
  );
  const kernel: LoopKernel = {
    kind: "loop",
    extents,
    reduced: 0,
    outputs: [{ buffer: builder.buffers.length, dtype: node.dtype, at: { offset: 0, strides: stridesOf(extents) }, value }],
  };
  return { kernel: coalesce(kernel), buffers: [...builder.buffers, node], written: 1 };
}

function lowerReduce(node: Node, materialized: ReadonlySet<Node>, target: Target): KernelCall[] {
  const x = node.inputs[0]!;
  const axes = node.attrs["axes"] as readonly number[];
  const order = [...keptAxes(x.shape.length, axes), ...axes];
  const rank = order.length;
  const builder = new ExprBuilder(rank, materialized);
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
  if (parts === 1) return [{ kernel, buffers: [...builder.buffers, node], written: 1 }];
  const partial = new Node("partial", [x], {}, [parts, ...node.shape], node.dtype);
  const first: KernelCall = { kernel: splitReduction(kernel, parts, sizeOf(node.shape)), buffers: [...builder.buffers, partial], written: 1 };
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
  return [first, { kernel: coalesce(second), buffers: [partial, node], written: 1 }];
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
