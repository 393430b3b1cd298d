/** @file What an operation is: its type rule, derivative, lowering, meaning and samples, together in one object. */
import type { DType } from "../base/dtype.ts";
import { InvariantError, ShapeError } from "../base/errors.ts";
import { checkDType, checkIntegers, checkNumber, MOST_ELEMENTS } from "../base/numbers.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../base/shape.ts";
import { type Attributes, Node } from "../ir/graph.ts";
import type { Combine } from "../ir/kernel.ts";
import type { Affine, Expr } from "../ir/scalar.ts";

export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Elements on the reference backend: float tensors in float64, the others in int32 range. */
export type ReferenceArray = Float64Array | Int32Array;

/** How an operation becomes part of a kernel. */
export type Lowering =
  /** Element by element on equal shapes: the value from the operands' values. */
  | { readonly kind: "elementwise"; readonly value: (args: readonly Expr[], node: Node) => Expr }
  /** No arithmetic: where in the operand the element at `index` comes from, perhaps under a guard. */
  | { readonly kind: "view"; readonly source: (index: readonly Affine[], node: Node) => ViewSource }
  /** A value made from the index alone. */
  | { readonly kind: "generate"; readonly value: (index: readonly Affine[], node: Node) => Expr }
  | { readonly kind: "reduce"; readonly combine: Combine }
  /** Computed in one of the ways registered in `passes/contractions/`. */
  | { readonly kind: "contraction" }
  /** Computed by kernels of its own, which address their operands freely. */
  | { readonly kind: "kernels" }
  /** Handled by name in the passes: inputs, constants, reshapes, gathers. */
  | { readonly kind: "special" };

interface ViewSource {
  readonly index: readonly Affine[];
  readonly guards?: readonly { readonly affine: Affine; readonly extent: number }[];
  readonly fill?: number;
}

/** One example for the conformance tests; float data should keep clear of kinks. */
export interface Sample {
  readonly name?: string;
  readonly inputs: readonly SampleInput[];
  readonly attrs?: Attributes;
}

export interface SampleInput {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** Values; pseudo-random in [-2, 2] when absent. */
  readonly data?: readonly number[];
  /** Range of the pseudo-random values. */
  readonly range?: readonly [number, number];
}

export interface Operation {
  readonly name: string;
  /** The result's type; throws ShapeError or DTypeError naming the operation, the rule and what it got. */
  readonly infer: (inputs: readonly TensorType[], attrs: Attributes) => TensorType;
  /** Cotangents of the inputs from the cotangent of the result, built from operations; null where there is none. */
  readonly vjp: ((node: Node, cotangent: Node) => readonly (Node | null)[]) | null;
  readonly lower: Lowering;
  /** The plain meaning. */
  readonly reference: (inputs: readonly ReferenceArray[], node: Node) => ArrayLike<number>;
  readonly samples: readonly Sample[];
}

const registry = new Map<string, Operation>();

/** Adds operations to the registry; `ops/index.ts` calls this once with all of them. */
export function register(operations: readonly Operation[]): void {
  for (const operation of operations) registry.set(operation.name, operation);
}

export function operation(name: string): Operation {
  const found = registry.get(name);
  if (!found) throw new InvariantError(`operation "${name}" is not registered`);
  return found;
}

const NONE: Attributes = Object.freeze({});

/** Builds a checked node. All numbers that operations are given pass here: lists and positions must be integers, and `value` an element of the
 * result's type. */
export function apply(name: string, inputs: readonly Node[], attrs: Attributes = NONE): Node {
  const op = name.replace(/-./g, (dash) => dash.charAt(1).toUpperCase());
  for (const [key, given] of Object.entries(attrs)) {
    if (Array.isArray(given)) checkIntegers(op, key, given);
    else if (typeof given === "number" && key !== "value") checkIntegers(op, key, [given]);
  }
  const { shape, dtype } = operation(name).infer(inputs, attrs);
  checkDType(op, dtype);
  if ("value" in attrs) checkNumber(op, dtype, attrs["value"]);
  checkShape(op, shape);
  if (sizeOf(shape) > MOST_ELEMENTS)
    throw new ShapeError(`${op}: a value has at most ${MOST_ELEMENTS} elements, got shape ${formatShape(shape)}; compute it in parts`);
  return new Node(name, inputs, attrs, shape, dtype);
}
