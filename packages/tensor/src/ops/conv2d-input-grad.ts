/** @file Gradient of conv2d with respect to its input, from the output's cotangent and the filter. Linear in both. */
import { sizeOf } from "../base/shape.ts";
import { conv2d, conv2dFilterGrad } from "./build.ts";
import { CONV_CASES, checkConv, checkFloat, convExtent, forEachTerm, geometryOf } from "./conv-geometry.ts";
import type { Operation } from "./definition.ts";

export const conv2dInputGrad: Operation = {
  name: "conv2d-input-grad",
  infer(inputs, attrs) {
    const [dy, w] = inputs;
    checkFloat("conv2dInputGrad", inputs);
    const [height, width] = attrs["inputSize"] as readonly [number, number];
    const shape = [dy!.shape[0]!, w!.shape[1]!, height, width];
    checkConv("conv2dInputGrad", shape, w!.shape, geometryOf(attrs), dy!.shape);
    return { shape, dtype: "float32" };
  },
  // ⟨u, inputGrad(dy, w)⟩ = ⟨conv2d(u, w), dy⟩, so the cotangents are the other two of the family.
  vjp: ({ inputs: [dy, w], attrs }, ct) => {
    const geometry = geometryOf(attrs);
    return [conv2d(ct, w!, geometry), conv2dFilterGrad(ct, dy!, geometry, [w!.shape[2]!, w!.shape[3]!])];
  },
  lower: { kind: "special" },
  reference([dy, w], node) {
    const out = new Float64Array(sizeOf(node.shape));
    forEachTerm(node.shape, node.inputs[1]!.shape, node.inputs[0]!.shape, geometryOf(node.attrs), (xi, wi, yi) => {
      out[xi] = out[xi]! + dy![yi]! * w![wi]!;
    });
    return out;
  },
  samples: CONV_CASES.map(({ x, w, stride, padding }) => ({
    inputs: [{ shape: [x[0]!, w[0]!, convExtent(x[2]!, w[2]!, stride[0], padding[0]), convExtent(x[3]!, w[3]!, stride[1], padding[1])] }, { shape: w }],
    attrs: { stride, padding, inputSize: [x[2]!, x[3]!] },
  })),
};
