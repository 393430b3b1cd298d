/** @file The public face of the tensor compiler. */
import "./ops/index.ts";

export * from "./base/errors.ts";
export { type DType, type HostArray, type DataArray } from "./base/dtype.ts";
export { type Shape, formatShape, sizeOf } from "./base/shape.ts";
export { type Tree, treeLeaves, treeMap, treeStructure, treeUnflatten } from "./base/tree.ts";
export { type Key, keyOfSeed, permutation, philox } from "./base/random.ts";
export { grad, valueAndGrad, vjp } from "./autodiff/vjp.ts";
export * from "./frontend/math.ts";
export * from "./frontend/shaping.ts";
export * from "./frontend/random.ts";
export { type Operand, Tensor, tensor, type Value } from "./frontend/tensor.ts";
export { type Argument, type Compiled, type Concrete, evaluate, jit, type JitOptions } from "./frontend/jit.ts";
export { BACKENDS, createDevice, defaultDevice, type DeviceOptions, setDefaultDevice } from "./frontend/device.ts";
export type { Device, DeviceBuffer, KernelTime, ProgramStats } from "./runtime/backend.ts";
export { printGraph } from "./ir/print.ts";
