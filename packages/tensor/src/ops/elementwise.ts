/** @file The common shape of element-wise operations: operands of one shape, one scalar formula. */
import type { DType } from "../base/dtype.ts";
import { DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../base/shape.ts";
import type { Attributes, Node } from "../ir/graph.ts";
import { type Expr, type ScalarOp, scalar } from "../ir/scalar.ts";
import { add, eq, fullLike, lt, mul, select } from "./build.ts";
import type { Operation, Sample, TensorType } from "./definition.ts";

interface ElementwiseSpec {
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

/** A comparison of two numbers, as bool; it has no derivative. */
export function comparison(name: "eq" | "lt" | "le", reference: (a: number, b: number) => boolean): Operation {
  const [left, right] = [
    [1, 2, 3, -1, 0, 5],
    [1, 3, 2, -1, 0, -5],
  ];
  return elementwise({
    name,
    operands: 2,
    accepts: ["float32", "int32", "uint8"],
    result: "bool",
    value: name,
    reference: (a, b) => Number(reference(a, b)),
    vjp: null,
    samples: (["float32", "int32"] as const).map((dtype) => ({
      inputs: [
        { shape: [6], dtype, data: left },
        { shape: [6], dtype, data: right },
      ],
    })),
  });
}

/** An operation on bits: logical on bool, bitwise on int32. */
export function bitwise(name: "and" | "or" | "xor", reference: (a: number, b: number) => number): Operation {
  return elementwise({
    name,
    operands: 2,
    accepts: ["bool", "int32"],
    value: name,
    reference,
    vjp: null,
    samples: [
      {
        inputs: [
          { shape: [4], dtype: "bool", data: [0, 0, 1, 1] },
          { shape: [4], dtype: "bool", data: [0, 1, 0, 1] },
        ],
      },
      {
        inputs: [
          { shape: [5], dtype: "int32", data: [5, -1, 7, 8, 0] },
          { shape: [5], dtype: "int32", data: [3, 6, -4, 8, 1] },
        ],
      },
    ],
  });
}

/** The larger or smaller of two operands. Where they are equal each gets half of the cotangent, as in PyTorch. */
export function extremeOf(name: "maximum" | "minimum"): Operation {
  const op = name === "maximum" ? "max" : "min";
  return elementwise({
    name,
    operands: 2,
    accepts: NUMERIC,
    value: op,
    reference: (a, b) => Math[op](a, b),
    vjp: ({ inputs: [a, b] }, ct) => {
      const zero = fullLike(ct, 0);
      const tie = select(eq(a!, b!), mul(ct, fullLike(ct, 0.5)), zero);
      const [aIsLess, bIsLess] = [lt(a!, b!), lt(b!, a!)];
      const [aWins, bWins] = name === "maximum" ? [bIsLess, aIsLess] : [aIsLess, bIsLess];
      return [add(select(aWins, ct, zero), tie), add(select(bWins, ct, zero), tie)];
    },
  });
}
