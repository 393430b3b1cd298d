/** @file Contractions: the emitters of convolution-like kernels. */
export { emitConv } from "./conv.ts";
export { emitFilterGrad } from "./filter-grad.ts";
