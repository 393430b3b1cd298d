/** @file Matrix product a[m,k] · b[k,n]. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { dot as product, transpose } from "./build.ts";
import type { Operation } from "./definition.ts";

export const dot: Operation = {
  name: "dot",
  infer([a, b]) {
    if (a!.shape.length !== 2 || b!.shape.length !== 2 || a!.shape[1] !== b!.shape[0]) {
      throw new ShapeError(`matmul: inner dimensions must match, got ${formatShape(a!.shape)} @ ${formatShape(b!.shape)}`);
    }
    if (a!.dtype !== "float32" || b!.dtype !== "float32") throw new DTypeError(`matmul: expected float32, got ${a!.dtype} and ${b!.dtype}`);
    return { shape: [a!.shape[0]!, b!.shape[1]!], dtype: "float32" };
  },
  // da = dy·bᵀ, db = aᵀ·dy
  vjp: ({ inputs: [a, b] }, ct) => [product(ct, transpose(b!, [1, 0])), product(transpose(a!, [1, 0]), ct)],
  lower: { kind: "contraction" },
  reference([a, b], node) {
    const [m, n] = node.shape as [number, number];
    const k = node.inputs[0]!.shape[1]!;
    const out = new Float64Array(m * n);
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const value = a![i * k + p]!;
        for (let j = 0; j < n; j++) out[i * n + j] = out[i * n + j]! + value * b![p * n + j]!;
      }
    }
    return out;
  },
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }] },
    { inputs: [{ shape: [5, 7] }, { shape: [7, 10] }] },
    { inputs: [{ shape: [1, 9] }, { shape: [9, 1] }] },
    { inputs: [{ shape: [37, 16] }, { shape: [16, 24] }] },
  ],
};
