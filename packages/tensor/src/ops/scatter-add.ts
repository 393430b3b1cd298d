/** @file The transpose of gather: zeros, with updates[j…, :] added at [i0[j…], i1[j…], …, :] in the order of j. */
import { ShapeError } from "../base/errors.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import { gather } from "./build.ts";
import type { Operation } from "./definition.ts";
import { checkPickable, sliceStarts } from "./gather.ts";

export const scatterAdd: Operation = {
  name: "scatter-add",
  infer([updates, ...indices], attrs) {
    const shape = attrs["shape"] as Shape;
    const expected = [...(indices[0]?.shape ?? []), ...shape.slice(indices.length)];
    if (sizeOf(expected) !== sizeOf(updates!.shape)) {
      throw new ShapeError(`scatter-add: updates must have shape ${formatShape(expected)}, got ${formatShape(updates!.shape)}`);
    }
    checkPickable("scatter-add", shape, indices);
    return { shape, dtype: updates!.dtype };
  },
  vjp: ({ inputs: [, ...indices] }, ct) => [gather(ct, indices), ...indices.map(() => null)],
  lower: { kind: "kernels" },
  reference([updates, ...indices], node) {
    const out = new Float64Array(sizeOf(node.shape));
    const slice = sizeOf(node.shape.slice(indices.length));
    const starts = sliceStarts(indices, node.shape);
    for (let i = 0; i < updates!.length; i++) {
      const at = starts[Math.floor(i / slice)]! + (i % slice);
      out[at] = out[at]! + updates![i]!;
    }
    return out;
  },
  samples: [
    { inputs: [{ shape: [4] }, { shape: [4], dtype: "int32", data: [1, 0, 1, 2] }], attrs: { shape: [3] } },
    { inputs: [{ shape: [3, 5] }, { shape: [3], dtype: "int32", data: [3, 0, 3] }], attrs: { shape: [4, 5] } },
  ],
};
