/** @file Chooses element by element: `then` where the condition is true, else `otherwise`. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, sameShape, sizeOf } from "../base/shape.ts";
import { scalar } from "../ir/scalar.ts";
import { select as choose, fullLike } from "./build.ts";
import type { Operation } from "./definition.ts";

const condition = { shape: [2, 4], dtype: "bool", data: [1, 0, 1, 1, 0, 0, 1, 0] } as const;

export const select: Operation = {
  name: "select",
  infer([c, a, b]) {
    if (c!.dtype !== "bool") throw new DTypeError(`select: the condition must be bool, got ${c!.dtype}`);
    if (a!.dtype !== b!.dtype) throw new DTypeError(`select: both choices must have the same element type, got ${a!.dtype} and ${b!.dtype}`);
    if (!sameShape(c!.shape, a!.shape) || !sameShape(a!.shape, b!.shape)) {
      throw new ShapeError(`select: operands must have the same shape, got ${[c, a, b].map((x) => formatShape(x!.shape)).join(", ")}`);
    }
    return { shape: a!.shape, dtype: a!.dtype };
  },
  vjp: ({ inputs: [c] }, ct) => [null, choose(c!, ct, fullLike(ct, 0)), choose(c!, fullLike(ct, 0), ct)],
  lower: { kind: "elementwise", value: (args, node) => scalar("select", node.dtype, ...args) },
  reference([c, a, b], node) {
    return Float64Array.from({ length: sizeOf(node.shape) }, (_, i) => (c![i] !== 0 ? a![i]! : b![i]!));
  },
  samples: [
    { inputs: [condition, { shape: [2, 4] }, { shape: [2, 4] }] },
    { inputs: [condition, { shape: [2, 4], dtype: "int32" }, { shape: [2, 4], dtype: "int32" }] },
  ],
};
