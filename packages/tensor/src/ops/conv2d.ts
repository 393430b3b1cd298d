/** @file 2-D convolution (cross-correlation): y[n,k,i,j] = Σ_{c,r,s} x[n,c,i·stride+r·dilation−padding,…]·w[k,c,r,s], within groups of channels. */
import { sizeOf } from "../base/shape.ts";
import { conv2dFilterGrad, conv2dInputGrad } from "./build.ts";
import { CONV_CASES, checkConvolution, checkFloat, convolutionOf, forEachTerm, geometryOf } from "./convolution.ts";
import type { Operation } from "./definition.ts";

export const conv2d: Operation = {
  name: "conv2d",
  infer(inputs, attrs) {
    const [x, w] = inputs;
    checkFloat("conv2d", inputs);
    return { shape: checkConvolution("conv2d", x!.shape, w!.shape, geometryOf(attrs)), dtype: "float32" };
  },
  vjp({ inputs: [x, w], attrs }, ct) {
    const geometry = geometryOf(attrs);
    return [conv2dInputGrad(ct, w!, geometry, [x!.shape[2]!, x!.shape[3]!]), conv2dFilterGrad(x!, ct, geometry, [w!.shape[2]!, w!.shape[3]!])];
  },
  lower: { kind: "contraction" },
  reference([x, w], node) {
    const out = new Float64Array(sizeOf(node.shape));
    forEachTerm(convolutionOf(node), (xi, wi, yi) => {
      out[yi] = out[yi]! + x![xi]! * w![wi]!;
    });
    return out;
  },
  samples: CONV_CASES.map(({ x, w, y: _, ...attrs }) => ({ inputs: [{ shape: x }, { shape: w }], attrs })),
};
