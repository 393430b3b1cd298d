/** @file The public face of the tensor compiler. */
import "./ops/index.ts";

export { grad, valueAndGrad, vjp } from "./autodiff/vjp.ts";
export type { DataArray, DType, HostArray } from "./base/dtype.ts";
export * from "./base/errors.ts";
export { type Key, keyOfSeed, permutation, philox } from "./base/random.ts";
export { formatShape, type Shape, sizeOf } from "./base/shape.ts";
export { type Both, type ConvOptions, conv2d, conv2dFilterGrad, conv2dInputGrad } from "./frontend/convolution.ts";
export { BACKENDS, createDevice, type DeviceOptions, defaultDevice, setDefaultDevice } from "./frontend/device.ts";
export { type Argument, type Compiled, type Computed, type Concrete, evaluate, type JitOptions, jit } from "./frontend/jit.ts";
export * from "./frontend/math.ts";
export * from "./frontend/pooling.ts";
export * from "./frontend/random.ts";
export * from "./frontend/shaping.ts";
export { type Operand, Tensor, tensor, type Value } from "./frontend/tensor.ts";
export { printGraph } from "./ir/print.ts";
export { type LeafOf, type MapLeaves, type TreeOf, treeLeaves, treeMap, treePaths, treeStructure, treeUnflatten } from "./ir/tree.ts";
export type { Device, DeviceBuffer, KernelTime, ProgramStats } from "./runtime/backend.ts";
export { planningDevice } from "./runtime/planning.ts";
export { wasmFeatures } from "./runtime/wasm/features.ts";
export type { InstructionSet, NativeFunction, NativeHost } from "./runtime/wasm/native.ts";
export { nativeProblem } from "./runtime/wasm/native-proof.ts";
export { browserTuning } from "./runtime/webgpu/indexed-db.ts";
export type { TuningStore } from "./runtime/webgpu/tuning.ts";
