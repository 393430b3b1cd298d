/** @file Every ONNX operator that is read, by name; and inputs that training may change. */
import type { Operator } from "./call.ts";
import { elementwise } from "./elementwise.ts";
import { layers } from "./layers.ts";
import { movement } from "./movement.ts";

/** The operators; Constant is read with the graph. */
export const operators: Readonly<Record<string, Operator>> = { ...elementwise, ...movement, ...layers };

/** Inputs that hold weights, by operator: what training changes where they are initializers. */
export const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  Conv: [1, 2],
  Gemm: [0, 1, 2],
  InstanceNormalization: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
};

/** Inputs that hold running statistics. */
export const STATISTICS: Readonly<Record<string, readonly number[]>> = { BatchNormalization: [3, 4] };

/** Operators that pass weights on unchanged, or in another order. */
export const PASSING: ReadonlySet<string> = new Set(["Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast"]);
