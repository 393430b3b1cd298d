/** @file Permutation of axes: axis i of the result is axis permutation[i] of the operand. */
import { ShapeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { Affine } from "../ir/scalar.ts";
import { transpose as permute } from "./build.ts";
import type { Operation } from "./definition.ts";
import { moveElements } from "./view.ts";

/** The permutation that undoes another. */
export function inversePermutation(permutation: readonly number[]): number[] {
  const inverse = new Array<number>(permutation.length);
  permutation.forEach((axis, i) => {
    inverse[axis] = i;
  });
  return inverse;
}

export const transpose: Operation = {
  name: "transpose",
  infer([x], attrs) {
    const permutation = attrs["permutation"] as readonly number[];
    if ([...permutation].sort((a, b) => a - b).some((axis, i) => axis !== i) || permutation.length !== x!.shape.length) {
      throw new ShapeError(`transpose: [${permutation.join(", ")}] is not a permutation of the axes of ${formatShape(x!.shape)}`);
    }
    return { shape: permutation.map((axis) => x!.shape[axis]!), dtype: x!.dtype };
  },
  vjp: ({ attrs }, ct) => [permute(ct, inversePermutation(attrs["permutation"] as readonly number[]))],
  lower: {
    kind: "view",
    source: (index: readonly Affine[], node) => ({ index: inversePermutation(node.attrs["permutation"] as readonly number[]).map((i) => index[i]!) }),
  },
  reference([x], node) {
    const inverse = inversePermutation(node.attrs["permutation"] as readonly number[]);
    return moveElements(x!, node, (index) => inverse.map((i) => index[i]!));
  },
  samples: [
    { inputs: [{ shape: [3, 5] }], attrs: { permutation: [1, 0] } },
    { inputs: [{ shape: [2, 3, 4, 5] }], attrs: { permutation: [0, 2, 3, 1] } },
    { inputs: [{ shape: [2, 3, 4], dtype: "int32" }], attrs: { permutation: [2, 0, 1] } },
  ],
};
