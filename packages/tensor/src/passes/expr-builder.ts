/** @file From a value of the graph to the expression that a kernel computes for it. */
import { invariant } from "../base/errors.ts";
import { stridesOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import { rewriteExprs } from "../ir/rewrite.ts";
import type { Affine, Expr, Guard } from "../ir/scalar.ts";
import { ExprTable } from "../ir/structure.ts";
import { operation } from "../ops/definition.ts";
import { isMergingReshape, splitsAxes } from "./fuse.ts";

/** The node whose buffer holds a value: merging reshapes share their operand's. */
export function bufferOwner(node: Node): Node {
  let owner = node;
  while (isMergingReshape(owner)) owner = owner.inputs[0]!;
  return owner;
}

/** Whether a value is read from memory where it is used. */
export function isStored(node: Node, materialized: ReadonlySet<Node>): boolean {
  return materialized.has(node) || isMergingReshape(node);
}

/** Builds the expression of a value at affine indices, inlining everything that has no buffer. */
export class ExprBuilder {
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
      value = isStored(node, this.#materialized)
        ? this.#table.intern({ kind: "load", dtype: node.dtype, buffer: this.#buffer(node), at: this.#flatten(index, stridesOf(node.shape)) })
        : this.compute(node, index);
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
