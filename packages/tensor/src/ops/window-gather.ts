/** @file One element of each window of an image, by its number in the window; 0 where that lies in the padding. Linear in the image. */
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, sameShape, sizeOf } from "../base/shape.ts";
import { windowScatter } from "./build.ts";
import type { Operation } from "./definition.ts";
import { checkPooling, forEachElement, POOL_CASES, poolGeometryOf, poolingOf, sampleIndex } from "./pooling.ts";

export const windowGather: Operation = {
  name: "window-gather",
  infer([x, index], attrs) {
    const shape = checkPooling("windowGather", x!, poolGeometryOf(attrs));
    if (index!.dtype !== "int32") throw new DTypeError(`windowGather: the index must be int32, got ${index!.dtype}`);
    if (!sameShape(index!.shape, shape)) throw new ShapeError(`windowGather: the index must be ${formatShape(shape)}, got ${formatShape(index!.shape)}`);
    return { shape, dtype: "float32" };
  },
  vjp: ({ inputs: [x, index], attrs }, ct) => [windowScatter(ct, index!, poolGeometryOf(attrs), [x!.shape[2]!, x!.shape[3]!]), null],
  lower: { kind: "contraction" },
  reference([x, index], node) {
    const out = new Float64Array(sizeOf(node.shape));
    forEachElement(poolingOf(node.inputs[0]!.shape, poolGeometryOf(node.attrs)), (xi, tap, yi) => {
      if (index![yi] === tap) out[yi] = x![xi]!;
    });
    return out;
  },
  samples: POOL_CASES.map(({ x, ...attrs }) => ({ inputs: [{ shape: x }, sampleIndex(x, attrs)], attrs: { ...attrs } })),
};
