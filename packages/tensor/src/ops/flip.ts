/** @file Reversal of axes. */
import { flip as reverse } from "./build.ts";
import type { Operation } from "./definition.ts";
import { moveElements } from "./view.ts";

export const flip: Operation = {
  name: "flip",
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  vjp: ({ attrs }, ct) => [reverse(ct, attrs["axes"] as readonly number[])],
  lower: {
    kind: "view",
    source: (index, { attrs, shape }) => ({
      index: index.map((at, axis) =>
        (attrs["axes"] as readonly number[]).includes(axis) ? { offset: shape[axis]! - 1 - at.offset, strides: at.strides.map((s) => -s) } : at,
      ),
    }),
  },
  reference: ([x], node) => {
    const axes = node.attrs["axes"] as readonly number[];
    return moveElements(x!, node, (index) => index.map((n, axis) => (axes.includes(axis) ? node.shape[axis]! - 1 - n : n)));
  },
  samples: [
    { inputs: [{ shape: [7] }], attrs: { axes: [0] } },
    { inputs: [{ shape: [3, 4, 5] }], attrs: { axes: [0, 2] } },
  ],
};
