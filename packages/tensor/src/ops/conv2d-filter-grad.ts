/** @file Gradient of conv2d with respect to its filter, from the input and the output's cotangent. Linear in both. */
import { sizeOf } from "../base/shape.ts";
import { conv2d, conv2dInputGrad } from "./build.ts";
import { CONV_CASES, checkConvolution, checkFloat, convolutionOf, forEachTerm, geometryOf } from "./convolution.ts";
import type { Operation } from "./definition.ts";

export const conv2dFilterGrad: Operation = {
  name: "conv2d-filter-grad",
  infer(inputs, attrs) {
    const [x, dy] = inputs;
    checkFloat("conv2dFilterGrad", inputs);
    const [rows, columns] = attrs["filterSize"] as readonly [number, number];
    const geometry = geometryOf(attrs);
    const shape = [dy!.shape[1]!, Math.floor(x!.shape[1]! / geometry.groups), rows, columns];
    checkConvolution("conv2dFilterGrad", x!.shape, shape, geometry, dy!.shape);
    return { shape, dtype: "float32" };
  },
  // ⟨v, filterGrad(x, dy)⟩ = ⟨conv2d(x, v), dy⟩.
  vjp: ({ inputs: [x, dy], attrs }, ct) => {
    const geometry = geometryOf(attrs);
    return [conv2dInputGrad(dy!, ct, geometry, [x!.shape[2]!, x!.shape[3]!]), conv2d(x!, ct, geometry)];
  },
  lower: { kind: "contraction" },
  reference([x, dy], node) {
    const out = new Float64Array(sizeOf(node.shape));
    forEachTerm(convolutionOf(node), (xi, wi, yi) => {
      out[wi] = out[wi]! + x![xi]! * dy![yi]!;
    });
    return out;
  },
  samples: CONV_CASES.map(({ x, w, y, ...geometry }) => ({ inputs: [{ shape: x }, { shape: y }], attrs: { ...geometry, filterSize: [w[2]!, w[3]!] } })),
};
