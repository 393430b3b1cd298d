/** @file Lowering: from a graph and the choice of stored values to kernels over buffers, in an order that respects dependencies. */
import { invariant } from "../base/errors.ts";
import { sizeOf, stridesOf } from "../base/shape.ts";
import { Node, topologicalOrder } from "../ir/graph.ts";
import type { ConvKernel, ImageStrides, Kernel, LoopKernel } from "../ir/kernel.ts";
import { coalesce, reductionParts, splitReduction } from "../ir/loop-nest.ts";
import { isLeaf, rewriteExprs } from "../ir/rewrite.ts";
import type { Affine, Expr, Guard } from "../ir/scalar.ts";
import { ExprTable } from "../ir/structure.ts";
import { LONGEST_REDUCTION } from "../ir/sums.ts";
import { CPU, type Target } from "../ir/target.ts";
import { operation } from "../ops/definition.ts";
import { keptAxes } from "../ops/reduce.ts";
import { chooseMaterialized, isMergingReshape, splitsAxes } from "./fuse.ts";
import type { Phase } from "./physical.ts";

/** A kernel and the values its buffers hold, by position. */
export interface KernelCall {
  readonly kernel: Kernel;
  readonly buffers: readonly Node[];
  /** How many of the last buffers are written. */
  readonly written: number;
}

/** The node whose buffer holds a value: merging reshapes share their operand's. */
export function bufferOwner(node: Node): Node {
  let owner = node;
  while (isMergingReshape(owner)) owner = owner.inputs[0]!;
  return owner;
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
    case "packed-conv":
      return [lowerPackedConv(node)];
    case "phased-conv":
      return lowerPhasedConv(node);
    case "packed-filter-grad":
      return [lowerPackedFilterGrad(node)];
    case "planar-conv":
    case "planar-filter-grad":
    case "tile-transform":
    case "winograd-conv":
    case "winograd-filter-grad":
    case "winograd-product":
    case "winograd-filter-product":
      // These carry their kernel with them.
      return [{ kernel: node.attrs as unknown as Kernel, buffers: [...node.inputs.map(bufferOwner), node], written: 1 }];
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

/** Builds the expression of a value at affine indices, inlining everything that has no buffer. */
class ExprBuilder {
  readonly buffers: Node[] = [];
  readonly #loops: number;
  readonly #materialized: ReadonlySet<Node>;
  readonly #table = new ExprTable();
  /** What was read before, by the value and the place: both may come up on many ways. */
  readonly #known = new Map<Node, Map<string, Expr>>();

  constructor(loops: number, materialized: ReadonlySet<Node>) {
    this.#loops = loops;
    this.#materialized = materialized;
  }

  /** The value of a node: from memory if it is there. */
  read(node: Node, index: readonly Affine[]): Expr {
    const key = index.map(({ offset, strides }) => `${offset},${strides.join()}`).join(";");
    const known = this.#known.get(node) ?? new Map<string, Expr>();
    this.#known.set(node, known);
    let value = known.get(key);
    if (!value) {
      const inlined = !this.#materialized.has(node) && !isMergingReshape(node);
      value = inlined
        ? this.compute(node, index)
        : this.#table.intern({ kind: "load", dtype: node.dtype, buffer: this.#buffer(node), at: this.#flatten(index, stridesOf(node.shape)) });
      known.set(key, value);
    }
    return value;
  }

  /** The value of a node from its operands. */
  compute(node: Node, index: readonly Affine[]): Expr {
    if (node.op === "gather") return this.#gather(node, index);
    if (node.op === "reshape") return this.#reshape(node, index);
    const { lower } = operation(node.op);
    switch (lower.kind) {
      case "elementwise":
        return this.#internTree(
          lower.value(
            node.inputs.map((input) => this.read(input, index)),
            node,
          ),
        );
      case "generate":
        return this.#internTree(lower.value(index, node));
      case "view": {
        const source = lower.source(
          index.map((at) => this.#sized(at)),
          node,
        );
        const inside = this.read(
          node.inputs[0]!,
          source.index.map((at) => this.#sized(at)),
        );
        if (!source.guards || source.guards.length === 0) return inside;
        const guards = source.guards.map(({ affine, extent }): Guard => ({ ...this.#sized(affine), extent }));
        return this.#table.intern({ kind: "guard", dtype: node.dtype, guards, inside, fill: source.fill ?? 0 });
      }
      default:
        invariant(false, `${node.op} cannot be computed inside a kernel`);
    }
  }

  #gather(node: Node, index: readonly Affine[]): Expr {
    const [x, ...indices] = node.inputs as [Node, ...Node[]];
    const strides = stridesOf(x.shape);
    const depth = indices[0]!.shape.length;
    const terms = indices.map((at, axis) => ({ index: this.read(at, index.slice(0, depth)), stride: strides[axis]!, extent: x.shape[axis]! }));
    const at = this.#flatten(index.slice(depth), strides.slice(indices.length));
    return this.#table.intern({ kind: "gather", dtype: node.dtype, buffer: this.#buffer(x), at, terms });
  }

  #reshape(node: Node, index: readonly Affine[]): Expr {
    const x = node.inputs[0]!;
    const groups = splitsAxes(x.shape, node.shape);
    if (!groups) {
      // The merged result is a result of its own: copy from the shared buffer at the same place.
      const at = this.#flatten(index, stridesOf(node.shape));
      return this.#table.intern({ kind: "load", dtype: node.dtype, buffer: this.#buffer(node), at });
    }
    const source = groups.map((group) => {
      const strides = stridesOf(group.map((axis) => node.shape[axis]!));
      return this.#flatten(
        group.map((axis) => index[axis]!),
        strides,
      );
    });
    return this.read(x, source);
  }

  #buffer(node: Node): number {
    const owner = bufferOwner(node);
    const found = this.buffers.indexOf(owner);
    if (found >= 0) return found;
    this.buffers.push(owner);
    return this.buffers.length - 1;
  }

  /** Pads the strides of a constant index to the number of loops. */
  #sized({ offset, strides }: Affine): Affine {
    return strides.length === this.#loops ? { offset, strides } : { offset, strides: new Array<number>(this.#loops).fill(0) };
  }

  #flatten(index: readonly Affine[], strides: readonly number[]): Affine {
    let offset = 0;
    const sum = new Array<number>(this.#loops).fill(0);
    index.forEach((at, axis) => {
      offset += at.offset * strides[axis]!;
      at.strides.forEach((stride, loop) => {
        sum[loop] = sum[loop]! + stride * strides[axis]!;
      });
    });
    return { offset, strides: sum };
  }

  /** Takes the formula of an operation into the table. */
  #internTree(root: Expr): Expr {
    const intern = rewriteExprs(
      (expr) => this.#table.intern(expr.kind === "index" ? { ...expr, at: this.#sized(expr.at) } : expr),
      (expr) => this.#table.has(expr),
    );
    return intern(root);
  }
}

/** Strides of a dense [N, H, W, C] image. */
function imageStrides(shape: readonly number[], step: readonly [number, number], offset = 0): ImageStrides {
  const [image, row, pixel] = stridesOf(shape) as [number, number, number, number];
  return { offset, image, row: row * step[0], pixel: pixel * step[1] };
}

function lowerPackedConv(node: Node): KernelCall {
  const [x, filter] = node.inputs as [Node, Node];
  const [batch, height, width, channels] = node.shape as [number, number, number, number];
  const [, rows, columns, inputs, block] = filter.shape as [number, number, number, number, ConvKernel["block"]];
  const kernel: ConvKernel = {
    kind: "conv",
    batch,
    height,
    width,
    channels,
    block,
    rows,
    run: columns * inputs,
    tapRow: stridesOf(x.shape)[1]!,
    input: imageStrides(x.shape, node.attrs["stride"] as readonly [number, number]),
    output: imageStrides(node.shape, [1, 1]),
    filterImage: 0,
  };
  return { kernel, buffers: [bufferOwner(x), bufferOwner(filter), node], written: 1 };
}

function lowerPhasedConv(node: Node): KernelCall[] {
  const [dy, ...filters] = node.inputs as [Node, ...Node[]];
  const stride = node.attrs["stride"] as readonly [number, number];
  const [batch, height, width, channels] = node.shape as [number, number, number, number];
  const [, rowStride, pixelStride] = stridesOf(node.shape) as [number, number, number, number];
  const [, dyRow, dyPixel] = stridesOf(dy.shape) as [number, number, number, number];
  const calls: KernelCall[] = [];
  if (node.attrs["complete"] !== true) {
    const zero: LoopKernel = {
      kind: "loop",
      extents: [sizeOf(node.shape)],
      reduced: 0,
      outputs: [{ buffer: 0, dtype: "float32", at: { offset: 0, strides: [1] }, value: { kind: "const", dtype: "float32", value: 0 } }],
    };
    calls.push({ kernel: zero, buffers: [node], written: 1 });
  }
  (node.attrs["phases"] as readonly Phase[]).forEach(({ phase, start }, i) => {
    const [, rows, columns, inputs, block] = filters[i]!.shape as [number, number, number, number, ConvKernel["block"]];
    const kernel: ConvKernel = {
      kind: "conv",
      batch,
      height: Math.ceil((height - phase[0]) / stride[0]),
      width: Math.ceil((width - phase[1]) / stride[1]),
      channels,
      block,
      rows,
      run: columns * inputs,
      tapRow: dyRow,
      input: imageStrides(dy.shape, [1, 1], start[0] * dyRow + start[1] * dyPixel),
      output: imageStrides(node.shape, stride, phase[0] * rowStride + phase[1] * pixelStride),
      filterImage: 0,
    };
    calls.push({ kernel, buffers: [bufferOwner(dy), bufferOwner(filters[i]!), node], written: 1 });
  });
  return calls;
}

function lowerPackedFilterGrad(node: Node): KernelCall {
  const [x, dy] = node.inputs as [Node, Node];
  const [batch, height, width, channels] = dy.shape as [number, number, number, number];
  const [chunks, rows, run] = node.shape as [number, number, number, number];
  return {
    kernel: {
      kind: "filter-grad",
      batch,
      height,
      width,
      channels,
      rows,
      run,
      tapRow: stridesOf(x.shape)[1]!,
      input: imageStrides(x.shape, node.attrs["stride"] as readonly [number, number]),
      cotangent: imageStrides(dy.shape, [1, 1]),
      chunks,
    },
    buffers: [bufferOwner(x), bufferOwner(dy), node],
    written: 1,
  };
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
