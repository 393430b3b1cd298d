/** @file Gradient of conv2d with respect to its input, from the output's cotangent and the filter. Linear in both. */
import { sizeOf } from "../base/shape.ts";
import { conv2d, conv2dFilterGrad } from "./build.ts";
import { CONV_CASES, checkConvolution, checkFloat, convolutionOf, forEachTerm, geometryOf } from "./convolution.ts";
import type { Operation } from "./definition.ts";

export const conv2dInputGrad: Operation = {
  name: "conv2d-input-grad",
  infer(inputs, attrs) {
    const [dy, w] = inputs;
    checkFloat("conv2dInputGrad", inputs);
    const [height, width] = attrs["inputSize"] as readonly [number, number];
    const geometry = geometryOf(attrs);
    const shape = [dy!.shape[0]!, w!.shape[1]! * geometry.groups, height, width];
    checkConvolution("conv2dInputGrad", shape, w!.shape, geometry, dy!.shape);
    return { shape, dtype: "float32" };
  },
  // ⟨u, inputGrad(dy, w)⟩ = ⟨conv2d(u, w), dy⟩, so the cotangents are the other two of the family.
  vjp: ({ inputs: [dy, w], attrs }, ct) => {
    const geometry = geometryOf(attrs);
    return [conv2d(ct, w!, geometry), conv2dFilterGrad(ct, dy!, geometry, [w!.shape[2]!, w!.shape[3]!])];
  },
  lower: { kind: "contraction" },
  reference([dy, w], node) {
    const out = new Float64Array(sizeOf(node.shape));
    forEachTerm(convolutionOf(node), (xi, wi, yi) => {
      out[xi] = out[xi]! + dy![yi]! * w![wi]!;
    });
    return out;
  },
  samples: CONV_CASES.map(({ x, w, y, ...geometry }) => ({ inputs: [{ shape: y }, { shape: w }], attrs: { ...geometry, inputSize: [x[2]!, x[3]!] } })),
};
