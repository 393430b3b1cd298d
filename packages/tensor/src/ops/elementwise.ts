/** @file The common shape of element-wise operations: operands of one shape, one scalar formula. */
import type { DType } from "../base/dtype.ts";
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../base/shape.ts";
import type { Attributes, Node } from "../ir/graph.ts";
import { type Expr, type ScalarOp, scalar } from "../ir/scalar.ts";
import type { Operation, Sample, TensorType } from "./definition.ts";

export interface ElementwiseSpec {
  readonly name: string;
  readonly operands: number;
  /** Accepted element types. */
  readonly accepts: readonly DType[];
  /** Result type; the operands' type by default. */
  readonly result?: DType | ((inputs: readonly TensorType[], attrs: Attributes) => DType);
  readonly vjp: Operation["vjp"];
  /** A scalar instruction or a formula of them. */
  readonly value: ScalarOp | ((args: readonly Expr[], node: Node) => Expr);
  readonly reference: (...args: number[]) => number;
  /** The meaning on int32, where float64 arithmetic would lose low bits. */
  readonly referenceInt?: (...args: number[]) => number;
  readonly samples?: readonly Sample[];
}

export const NUMERIC: readonly DType[] = ["float32", "int32"];
export const FLOAT: readonly DType[] = ["float32"];
const SAMPLE_SHAPES: readonly Shape[] = [[], [5], [3, 4], [2, 3, 8]];

/** Defines an element-wise operation. All operands must have the same shape and element type. */
export function elementwise(spec: ElementwiseSpec): Operation {
  const { name, operands, accepts, result, vjp, value, reference, referenceInt } = spec;
  return {
    name,
    infer(inputs, attrs) {
      const first = inputs[0]!;
      for (const input of inputs) {
        if (!sameShape(input.shape, first.shape)) {
          throw new ShapeError(`${name}: operands must have the same shape, got ${inputs.map((i) => formatShape(i.shape)).join(" and ")}`);
        }
        if (input.dtype !== first.dtype) {
          throw new DTypeError(`${name}: operands must have the same element type, got ${inputs.map((i) => i.dtype).join(" and ")}`);
        }
      }
      if (!accepts.includes(first.dtype)) throw new DTypeError(`${name}: expected ${accepts.join(" or ")}, got ${first.dtype}`);
      return { shape: first.shape, dtype: typeof result === "function" ? result(inputs, attrs) : (result ?? first.dtype) };
    },
    vjp,
    lower: { kind: "elementwise", value: typeof value === "string" ? (args, node) => scalar(value, node.dtype, ...args) : value },
    reference(inputs, node) {
      const out = new Float64Array(sizeOf(node.shape));
      const meaning = node.dtype === "int32" && referenceInt ? referenceInt : reference;
      const args = new Array<number>(operands);
      for (let i = 0; i < out.length; i++) {
        for (let k = 0; k < operands; k++) args[k] = inputs[k]![i]!;
        out[i] = meaning(...args);
      }
      return out;
    },
    samples: spec.samples ?? SAMPLE_SHAPES.flatMap((shape) => accepts.map((dtype) => ({ inputs: Array.from({ length: operands }, () => ({ shape, dtype })) }))),
  };
}
