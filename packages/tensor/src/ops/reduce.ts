/** @file The common shape of reductions: axes are dropped, elements combined in order. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { type Shape, sizeOf, stridesOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import type { Combine } from "../ir/kernel.ts";
import { broadcast, div, eq, fullLike, mul, select, sum } from "./build.ts";
import type { Operation, TensorType } from "./definition.ts";

interface ReduceSpec {
  readonly name: Combine;
  readonly vjp: Operation["vjp"];
  readonly combine: (a: number, b: number) => number;
}

/** The shape without the axes. */
function reducedShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.filter((_, axis) => !axes.includes(axis));
}

/** The axes that remain, in order. */
export function keptAxes(rank: number, axes: readonly number[]): number[] {
  return Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !axes.includes(axis));
}

export function reduction({ name, vjp, combine }: ReduceSpec): Operation {
  return {
    name,
    infer([x], attrs): TensorType {
      const axes = attrs["axes"] as readonly number[];
      if (x!.dtype !== "float32" && x!.dtype !== "int32") throw new DTypeError(`${name}: expected float32 or int32, got ${x!.dtype}`);
      if (name !== "sum" && axes.some((axis) => x!.shape[axis] === 0)) {
        throw new ShapeError(`${name}: an empty axis has no ${name}imum, got shape [${x!.shape.join(", ")}]`);
      }
      return { shape: reducedShape(x!.shape, axes), dtype: x!.dtype };
    },
    vjp,
    lower: { kind: "reduce", combine: name },
    reference([x], node) {
      const { shape } = node.inputs[0]!;
      const kept = keptAxes(shape.length, node.attrs["axes"] as readonly number[]);
      const strides = stridesOf(shape);
      const outStrides = stridesOf(node.shape);
      const start = name === "sum" ? 0 : name === "max" ? -Infinity : Infinity;
      const out = new Float64Array(sizeOf(node.shape)).fill(start);
      for (let i = 0; i < x!.length; i++) {
        let target = 0;
        for (let k = 0; k < kept.length; k++) target += (Math.floor(i / strides[kept[k]!]!) % shape[kept[k]!]!) * outStrides[k]!;
        out[target] = combine(out[target]!, x![i]!);
      }
      return out;
    },
    samples: [
      { inputs: [{ shape: [7] }], attrs: { axes: [0] } },
      { inputs: [{ shape: [3, 5] }], attrs: { axes: [0] } },
      { inputs: [{ shape: [3, 8] }], attrs: { axes: [1] } },
      { inputs: [{ shape: [4, 3, 2, 5] }], attrs: { axes: [0, 2, 3] } },
      { inputs: [{ shape: [4, 2, 3, 8] }], attrs: { axes: [0, 1, 2] } },
      { inputs: [{ shape: [2, 3, 4] }], attrs: { axes: [1] } },
      { inputs: [{ shape: [96, 40, 12] }], attrs: { axes: [0, 1] } },
      { inputs: [{ shape: [512, 33] }], attrs: { axes: [0, 1] } },
      { inputs: [{ shape: [6, 4], dtype: "int32" }], attrs: { axes: [1] } },
    ],
  };
}

/** Largest or smallest element over axes. Ties share the cotangent evenly, as in PyTorch's `amax` and `amin`. */
export function extremum(name: "max" | "min"): Operation {
  return reduction({
    name,
    combine: Math[name],
    vjp(node: Node, ct: Node) {
      const x = node.inputs[0]!;
      const axes = node.attrs["axes"] as readonly number[];
      const kept = keptAxes(x.shape.length, axes);
      const hit = select(eq(x, broadcast(node, x.shape, kept)), fullLike(x, 1), fullLike(x, 0));
      return [mul(hit, broadcast(div(ct, sum(hit, axes)), x.shape, kept))];
    },
  });
}
