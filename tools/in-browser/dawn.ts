/** @file Stands for the package `webgpu` in tests that run in a browser, which has WebGPU itself. */
export function create(): never {
  throw new Error("this browser has no WebGPU");
}
