/** @file The largest element of each window of an image. Padding counts as −∞. */
import { sizeOf } from "../base/shape.ts";
import { windowArgmax, windowScatter } from "./build.ts";
import type { Operation } from "./definition.ts";
import { checkPooling, forEachElement, POOL_CASES, poolGeometryOf, poolingOf } from "./pooling.ts";

export const maxPool2d: Operation = {
  name: "max-pool2d",
  infer: ([x], attrs) => ({ shape: checkPooling("maxPool2d", x!, poolGeometryOf(attrs)), dtype: "float32" }),
  // The cotangent goes to the maximum, all of it to the first of equal ones.
  vjp({ inputs: [x], attrs }, ct) {
    const geometry = poolGeometryOf(attrs);
    return [windowScatter(ct, windowArgmax(x!, geometry), geometry, [x!.shape[2]!, x!.shape[3]!])];
  },
  lower: { kind: "contraction" },
  reference([x], node) {
    const out = new Float64Array(sizeOf(node.shape)).fill(Number.NEGATIVE_INFINITY);
    forEachElement(poolingOf(node.inputs[0]!.shape, poolGeometryOf(node.attrs)), (xi, _, yi) => {
      out[yi] = Math.max(out[yi]!, x![xi]!);
    });
    return out;
  },
  samples: POOL_CASES.map(({ x, ...attrs }) => ({ inputs: [{ shape: x }], attrs })),
};
