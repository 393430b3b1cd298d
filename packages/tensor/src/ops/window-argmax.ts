/** @file The number of each window's largest element, counted row by row: the first of equal ones, the last NaN if there are any, as in PyTorch.
 * Padding is no element of a window. */
import { sizeOf } from "../base/shape.ts";
import type { Operation } from "./definition.ts";
import { checkPooling, forEachElement, POOL_CASES, poolGeometryOf, poolingOf } from "./pooling.ts";

export const windowArgmax: Operation = {
  name: "window-argmax",
  infer: ([x], attrs) => ({ shape: checkPooling("windowArgmax", x!, poolGeometryOf(attrs)), dtype: "int32" }),
  vjp: () => [null],
  lower: { kind: "contraction" },
  reference([x], node) {
    const largest = new Float64Array(sizeOf(node.shape)).fill(Number.NEGATIVE_INFINITY);
    const out = new Int32Array(largest.length).fill(-1);
    forEachElement(poolingOf(node.inputs[0]!.shape, poolGeometryOf(node.attrs)), (xi, tap, yi) => {
      const next = x![xi]!;
      if (!(out[yi] === -1 || next > largest[yi]! || Number.isNaN(next))) return;
      largest[yi] = next;
      out[yi] = tap;
    });
    return out;
  },
  samples: [
    ...POOL_CASES.map(({ x, ...attrs }) => ({ inputs: [{ shape: x }], attrs: { ...attrs } })),
    {
      name: "of equal elements",
      inputs: [{ shape: [1, 4, 3, 3], data: Array.from({ length: 36 }, (_, i) => (i * 5) % 3) }],
      attrs: { window: [2, 2], stride: [1, 1], padding: [1, 0, 0, 1] },
    },
  ],
};
