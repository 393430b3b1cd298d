/** @file Random 32-bit words from a key int32[2] and a stream number int32[], see `base/random.ts`; keys int32[n, 2] give each row of the result,
 * its first axis, words of its own: the ones its key gives alone. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { philoxStream } from "../base/random.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import type { Operation } from "./definition.ts";

export const randomBits: Operation = {
  name: "random-bits",
  infer([key, stream], attrs) {
    if (key!.dtype !== "int32" || stream!.dtype !== "int32")
      throw new DTypeError(`randomBits: key and stream must be int32, got ${key!.dtype} and ${stream!.dtype}`);
    const shape = attrs["shape"] as Shape;
    if (key!.shape.length < 1 || key!.shape.length > 2 || key!.shape.at(-1) !== 2)
      throw new ShapeError(`randomBits: a key has shape [2], got ${formatShape(key!.shape)}; make one with randomKey(seed)`);
    if (key!.shape.length === 2 && shape[0] !== key!.shape[0])
      throw new ShapeError(`randomBits: ${key!.shape[0]} keys draw as many rows, got shape ${formatShape(shape)}`);
    if (stream!.shape.length !== 0) throw new ShapeError(`randomBits: the stream is a scalar, got ${formatShape(stream!.shape)}`);
    return { shape, dtype: "int32" };
  },
  vjp: () => [null, null],
  lower: { kind: "kernels" },
  reference([keys, stream], node) {
    const count = sizeOf(node.shape) / (keys!.length / 2 || 1);
    const out = new Int32Array(sizeOf(node.shape));
    for (let k = 0; k < keys!.length / 2; k++) out.set(philoxStream([keys![2 * k]!, keys![2 * k + 1]!], stream![0]!, count), k * count);
    return out;
  },
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
    {
      inputs: [
        { shape: [3, 2], dtype: "int32", data: [123456789, 42, 7, -3, 0, 1] },
        { shape: [], dtype: "int32", data: [2] },
      ],
      attrs: { shape: [3, 2, 9] },
    },
  ],
};
