/** @file The same elements in row-major order under another shape. */
import { ShapeError } from "../base/errors.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import { reshape as to } from "./build.ts";
import type { Operation } from "./definition.ts";

export const reshape: Operation = {
  name: "reshape",
  infer([x], attrs) {
    const shape = attrs["shape"] as Shape;
    if (sizeOf(shape) !== sizeOf(x!.shape)) {
      throw new ShapeError(`reshape: the number of elements must stay the same, got ${formatShape(x!.shape)} to ${formatShape(shape)}`);
    }
    return { shape, dtype: x!.dtype };
  },
  vjp: ({ inputs: [x] }, ct) => [to(ct, x!.shape)],
  lower: { kind: "special" },
  reference: ([x]) => x!,
  samples: [
    { inputs: [{ shape: [4, 6] }], attrs: { shape: [2, 12] } },
    { inputs: [{ shape: [24] }], attrs: { shape: [2, 3, 4] } },
    { inputs: [{ shape: [2, 3] }], attrs: { shape: [2, 1, 3, 1] } },
  ],
};
