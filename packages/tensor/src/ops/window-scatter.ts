/** @file The transpose of window-gather: an image to which each window has added a number at one of its elements. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, sameShape, sizeOf } from "../base/shape.ts";
import { windowGather } from "./build.ts";
import type { Operation } from "./definition.ts";
import { checkPooling, forEachElement, POOL_CASES, poolGeometryOf, poolingOf, sampleIndex } from "./pooling.ts";

export const windowScatter: Operation = {
  name: "window-scatter",
  infer([dy, index], attrs) {
    const shape = [...dy!.shape.slice(0, 2), ...(attrs["inputSize"] as readonly number[])];
    const expected = checkPooling("windowScatter", { ...dy!, shape }, poolGeometryOf(attrs));
    if (index!.dtype !== "int32") throw new DTypeError(`windowScatter: the index must be int32, got ${index!.dtype}`);
    if (![dy!, index!].every((operand) => sameShape(operand.shape, expected))) {
      const given = `${formatShape(dy!.shape)} and ${formatShape(index!.shape)}`;
      throw new ShapeError(`windowScatter: cotangent and index must be ${formatShape(expected)}, got ${given}`);
    }
    return { shape, dtype: "float32" };
  },
  vjp: ({ inputs: [, index], attrs }, ct) => [windowGather(ct, index!, poolGeometryOf(attrs)), null],
  lower: { kind: "contraction" },
  reference([dy, index], node) {
    const out = new Float64Array(sizeOf(node.shape));
    forEachElement(poolingOf(node.shape, poolGeometryOf(node.attrs)), (xi, tap, yi) => {
      if (index![yi] === tap) out[xi] = out[xi]! + dy![yi]!;
    });
    return out;
  },
  samples: POOL_CASES.map(({ x, ...attrs }) => {
    const index = sampleIndex(x, attrs);
    return { inputs: [{ shape: index.shape }, index], attrs: { ...attrs, inputSize: [x[2]!, x[3]!] } };
  }),
};
