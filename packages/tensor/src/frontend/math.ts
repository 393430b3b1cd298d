/** @file Element-wise functions. All broadcast as NumPy does; numbers may stand for tensors. */
import type { DType } from "../base/dtype.ts";
import { DTypeError } from "../base/errors.ts";
import { checkInteger } from "../base/numbers.ts";
import { broadcastShapes } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import * as build from "../ops/build.ts";
import { align, broadcastTo, toValue } from "./broadcasting.ts";
import type { Operand, Value } from "./tensor.ts";

type Unary = (x: Operand) => Value;
type Binary = (a: Operand, b: Operand) => Value;

function unary(name: string, make: (x: Node) => Node): Unary {
  return (x) => make(toValue(name, x));
}

function floatUnary(name: string, make: (x: Node) => Node): Unary {
  return (x) => make(build.convert(toValue(name, x), "float32"));
}

function binary(name: string, make: (a: Node, b: Node) => Node): Binary {
  return (x, y) => {
    const [a, b] = align(name, x, y) as [Node, Node];
    // Bytes compute as int32: uint8 is a storage type.
    const wide = a.dtype === "uint8" || a.dtype === "bool" ? "int32" : a.dtype;
    return make(build.convert(a, wide), build.convert(b, wide));
  };
}

function comparison(name: string, make: (a: Node, b: Node) => Node): Binary {
  return (x, y) => {
    const [a, b] = align(name, x, y) as [Node, Node];
    return a.dtype === "bool" ? make(build.convert(a, "int32"), build.convert(b, "int32")) : make(a, b);
  };
}

/** Quotient, always in float32. */
export const div: Binary = (x, y) => {
  const [a, b] = align("div", x, y) as [Node, Node];
  return build.div(build.convert(a, "float32"), build.convert(b, "float32"));
};
/** x + y. */
export const add: Binary = binary("add", build.add);
/** x − y. */
export const sub: Binary = binary("sub", build.sub);
/** x · y. */
export const mul: Binary = binary("mul", build.mul);
/** Larger operand; ties share the derivative evenly. */
export const maximum: Binary = binary("maximum", build.maximum);
/** Smaller operand; ties share the derivative evenly. */
export const minimum: Binary = binary("minimum", build.minimum);

/** x = y, as bool. */
export const eq: Binary = comparison("eq", build.eq);
/** x < y, as bool. */
export const lt: Binary = comparison("lt", build.lt);
/** x ≤ y, as bool. */
export const le: Binary = comparison("le", build.le);
/** x ≠ y, as bool. */
export const ne: Binary = comparison("ne", (a, b) => build.not(build.eq(a, b)));
/** x > y, as bool. */
export const gt: Binary = comparison("gt", (a, b) => build.lt(b, a));
/** x ≥ y, as bool. */
export const ge: Binary = comparison("ge", (a, b) => build.le(b, a));

/** Logical and (bool), bitwise and (int32). */
export const and: Binary = (x, y) => build.and(...(align("and", x, y) as [Node, Node]));
/** Logical or (bool), bitwise or (int32). */
export const or: Binary = (x, y) => build.or(...(align("or", x, y) as [Node, Node]));
/** Exclusive or. */
export const xor: Binary = (x, y) => build.xor(...(align("xor", x, y) as [Node, Node]));
/** Logical right shift of int32 by 0 to 31 bits. */
export const shiftRight: Binary = (x, y) => {
  if (typeof y === "number") checkInteger("shiftRight", "the number of bits", y, 0, 32);
  return build.shiftRight(...(align("shiftRight", x, y) as [Node, Node]));
};
/** Negation of a bool. */
export const not: Unary = unary("not", build.not);

/** −x. */
export const neg: Unary = unary("neg", build.neg);
/** |x|; derivative 0 at 0. */
export const abs: Unary = unary("abs", build.abs);
/** −1, 0 or 1; sign(0) = 0. */
export const sign: Unary = unary("sign", build.sign);
/** Largest whole number not above x; derivative 0. */
export const floor: Unary = floatUnary("floor", build.floor);
/** e to the power x. */
export const exp: Unary = floatUnary("exp", build.exp);
/** Natural logarithm. */
export const log: Unary = floatUnary("log", build.log);
/** Square root; its derivative at 0 is infinite. */
export const sqrt: Unary = floatUnary("sqrt", build.sqrt);
/** Sine of an angle in radians; on wasm and webgpu angles beyond ±102,943 are taken for that bound. */
export const sin: Unary = floatUnary("sin", build.sin);
/** Cosine of an angle in radians; on wasm and webgpu angles beyond ±102,943 are taken for that bound. */
export const cos: Unary = floatUnary("cos", build.cos);
/** Hyperbolic tangent. */
export const tanh: Unary = floatUnary("tanh", build.tanh);
/** x². */
export const square: Unary = (x) => mul(x, x);
/** 1 / x. */
export const reciprocal: Unary = (x) => div(1, x);

/** max(x, 0) with derivative 0 at 0, as in PyTorch; NaN stays NaN. */
export const relu: Unary = (x) => {
  const value = toValue("relu", x);
  return build.select(build.le(value, build.fullLike(value, 0)), build.fullLike(value, 0), value);
};

/** `then` where the condition holds, else `otherwise`. The branch not chosen may be NaN without harm to the gradient only if it is
 * made finite first: guard the operand, not the result. */
export function where(condition: Value, then: Operand, otherwise: Operand): Value {
  if (condition.dtype !== "bool") throw new DTypeError(`where: the condition must be bool, got ${condition.dtype}; compare it first, for instance ne(x, 0)`);
  const [a, b] = align("where", then, otherwise) as [Node, Node];
  const shape = broadcastShapes("where", condition.shape, a.shape);
  return build.select(broadcastTo(condition, shape, "where"), broadcastTo(a, shape, "where"), broadcastTo(b, shape, "where"));
}

/** x limited to [low, high]; where low is above high the result is high. The derivative is 1 inside and at the bounds and 0 outside, like
 * `torch.clamp`; NaN stays NaN, and a bound that is NaN limits nothing. */
export function clamp(x: Operand, low: Operand, high: Operand): Value {
  const value = toValue("clamp", x);
  const lowest = typeof low === "number" && typeof high === "number" ? (low > high ? high : low) : where(lt(high, low), high, low);
  return where(lt(value, lowest), lowest, where(gt(value, high), high, value));
}

/** Conversion between element types: floats are truncated toward zero, non-zero is true. */
export function convert(x: Operand, dtype: DType): Value {
  return build.convert(toValue("convert", x), dtype);
}

/** The identity with derivative zero; applied to every leaf's own value. */
export function stopGradient(x: Value): Value {
  return build.stopGradient(x);
}
