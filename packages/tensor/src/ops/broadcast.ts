/** @file Repetition: axis i of the operand becomes axis axes[i] of the result; the result repeats along its other axes, and
 * along operand axes of extent 1. */
import { ShapeError } from "../base/errors.ts";
import { formatShape, type Shape } from "../base/shape.ts";
import type { Affine } from "../ir/scalar.ts";
import { reshape, sum } from "./build.ts";
import type { Operation } from "./definition.ts";
import { moveElements } from "./view.ts";

const ZERO: Affine = { offset: 0, strides: [] };

export const broadcast: Operation = {
  name: "broadcast",
  infer([x], attrs) {
    const shape = attrs["shape"] as Shape;
    const axes = attrs["axes"] as readonly number[];
    const fits =
      axes.length === x!.shape.length && axes.every((axis, i) => (x!.shape[i] === shape[axis] || x!.shape[i] === 1) && (i === 0 || axes[i - 1]! < axis));
    if (!fits) throw new ShapeError(`broadcast: ${formatShape(x!.shape)} does not fit axes [${axes.join(", ")}] of ${formatShape(shape)}`);
    return { shape, dtype: x!.dtype };
  },
  vjp({ inputs: [x], attrs, shape }, ct) {
    const axes = attrs["axes"] as readonly number[];
    const repeated = shape
      .map((_, axis) => axis)
      .filter((axis) => {
        const i = axes.indexOf(axis);
        return i < 0 || (x!.shape[i] === 1 && shape[axis] !== 1);
      });
    return [reshape(sum(ct, repeated), x!.shape)];
  },
  lower: {
    kind: "view",
    source: (index, node) => ({
      index: (node.attrs["axes"] as readonly number[]).map((axis, i) => (node.inputs[0]!.shape[i] === 1 ? ZERO : index[axis]!)),
    }),
  },
  reference([x], node) {
    const axes = node.attrs["axes"] as readonly number[];
    return moveElements(x!, node, (index) => axes.map((axis, i) => (node.inputs[0]!.shape[i] === 1 ? 0 : index[axis]!)));
  },
  samples: [
    { inputs: [{ shape: [] }], attrs: { shape: [3, 4], axes: [] } },
    { inputs: [{ shape: [4] }], attrs: { shape: [3, 4], axes: [1] } },
    { inputs: [{ shape: [3] }], attrs: { shape: [2, 3, 5, 4], axes: [1] } },
    { inputs: [{ shape: [3, 1] }], attrs: { shape: [3, 8], axes: [0, 1] } },
  ],
};
