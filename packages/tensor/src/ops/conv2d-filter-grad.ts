/** @file Gradient of conv2d with respect to its filter, from the input and the output's cotangent. Linear in both. */
import { sizeOf } from "../base/shape.ts";
import { conv2d, conv2dInputGrad } from "./build.ts";
import { CONV_CASES, checkConv, checkFloat, convExtent, forEachTerm, geometryOf } from "./conv-geometry.ts";
import type { Operation } from "./definition.ts";

export const conv2dFilterGrad: Operation = {
  name: "conv2d-filter-grad",
  infer(inputs, attrs) {
    const [x, dy] = inputs;
    checkFloat("conv2dFilterGrad", inputs);
    const [rows, columns] = attrs["filterSize"] as readonly [number, number];
    const shape = [dy!.shape[1]!, x!.shape[1]!, rows, columns];
    checkConv("conv2dFilterGrad", x!.shape, shape, geometryOf(attrs), dy!.shape);
    return { shape, dtype: "float32" };
  },
  // ⟨v, filterGrad(x, dy)⟩ = ⟨conv2d(x, v), dy⟩.
  vjp: ({ inputs: [x, dy], attrs }, ct) => {
    const geometry = geometryOf(attrs);
    return [conv2dInputGrad(dy!, ct, geometry, [x!.shape[2]!, x!.shape[3]!]), conv2d(x!, ct, geometry)];
  },
  lower: { kind: "special" },
  reference([x, dy], node) {
    const out = new Float64Array(sizeOf(node.shape));
    forEachTerm(node.inputs[0]!.shape, node.shape, node.inputs[1]!.shape, geometryOf(node.attrs), (xi, wi, yi) => {
      out[wi] = out[wi]! + x![xi]! * dy![yi]!;
    });
    return out;
  },
  samples: CONV_CASES.map(({ x, w, stride, padding }) => ({
    inputs: [{ shape: x }, { shape: [x[0]!, w[0]!, convExtent(x[2]!, w[2]!, stride[0], padding[0]), convExtent(x[3]!, w[3]!, stride[1], padding[1])] }],
    attrs: { stride, padding, filterSize: [w[2]!, w[3]!] },
  })),
};
