/** @file Random 32-bit words from a key int32[2] and a stream number int32[]; see `base/random.ts`. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { philoxStream } from "../base/random.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import type { Operation } from "./definition.ts";

export const randomBits: Operation = {
  name: "random-bits",
  infer([key, stream], attrs) {
    if (key!.dtype !== "int32" || stream!.dtype !== "int32")
      throw new DTypeError(`randomBits: key and stream must be int32, got ${key!.dtype} and ${stream!.dtype}`);
    if (key!.shape.length !== 1 || key!.shape[0] !== 2)
      throw new ShapeError(`randomBits: a key has shape [2], got ${formatShape(key!.shape)}; make one with randomKey(seed)`);
    if (stream!.shape.length !== 0) throw new ShapeError(`randomBits: the stream is a scalar, got ${formatShape(stream!.shape)}`);
    return { shape: attrs["shape"] as Shape, dtype: "int32" };
  },
  vjp: () => [null, null],
  lower: { kind: "special" },
  reference: ([key, stream], node) => philoxStream([key![0]!, key![1]!], stream![0]!, sizeOf(node.shape)),
  samples: [
    {
      inputs: [
        { shape: [2], dtype: "int32", data: [7, -3] },
        { shape: [], dtype: "int32", data: [5] },
      ],
      attrs: { shape: [3, 7] },
    },
    {
      inputs: [
        { shape: [2], dtype: "int32", data: [123456789, 42] },
        { shape: [], dtype: "int32", data: [-1] },
      ],
      attrs: { shape: [4096] },
    },
  ],
};
