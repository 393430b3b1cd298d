/** @file Scalar instructions: what one lane of a kernel can compute. Every target has a table over these names,
 * so that the type checker lists what a new instruction still lacks. */
import type { DType } from "../base/dtype.ts";

/** Instructions by operand count. Comparisons yield bool; `select` takes (condition, then, else). */
export type ScalarOp =
  | "neg"
  | "abs"
  | "sqrt"
  | "floor"
  | "not"
  | "toFloat"
  | "toInt"
  | "toBool"
  | "toUint8"
  | "bitsToFloat"
  | "floatToBits"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "max"
  | "min"
  | "eq"
  | "lt"
  | "le"
  | "and"
  | "or"
  | "xor"
  | "shiftLeft"
  | "shiftRight"
  | "select";

/** An affine function of the loop indices: offset + Σ strides[loop] · index[loop]. */
export interface Affine {
  readonly offset: number;
  readonly strides: readonly number[];
}

/** Holds where 0 ≤ affine < extent. */
export interface Guard extends Affine {
  readonly extent: number;
}

/** The value of one element inside a kernel, as a function of the loop indices. */
export type Expr =
  | { readonly kind: "const"; readonly dtype: DType; readonly value: number }
  /** The affine function itself, as int32. */
  | { readonly kind: "index"; readonly dtype: DType; readonly at: Affine }
  /** Element `at` of a buffer. */
  | { readonly kind: "load"; readonly dtype: DType; readonly buffer: number; readonly at: Affine }
  /** Element at.offset + Σ terms[i].stride · value(terms[i].index) of a buffer: an address that is itself computed. */
  | { readonly kind: "gather"; readonly dtype: DType; readonly buffer: number; readonly at: Affine; readonly terms: readonly GatherTerm[] }
  /** `inside` where every guard holds, else the constant `fill`; `inside` must not be evaluated elsewhere. */
  | { readonly kind: "guard"; readonly dtype: DType; readonly guards: readonly Guard[]; readonly inside: Expr; readonly fill: number }
  | { readonly kind: "op"; readonly dtype: DType; readonly op: ScalarOp; readonly args: readonly Expr[] };

export interface GatherTerm {
  readonly index: Expr;
  readonly stride: number;
  /** The index is clipped to 0..extent-1. */
  readonly extent: number;
}

export function constant(dtype: DType, value: number): Expr {
  return { kind: "const", dtype, value };
}

export function scalar(op: ScalarOp, dtype: DType, ...args: Expr[]): Expr {
  return { kind: "op", dtype, op, args };
}

/** Calls `visit` once for each distinct expression, operands first. */
export function forEachExpr(roots: readonly Expr[], visit: (expr: Expr) => void): void {
  const seen = new Set<Expr>();
  const walk = (expr: Expr): void => {
    if (seen.has(expr)) return;
    seen.add(expr);
    for (const operand of operandsOf(expr)) walk(operand);
    visit(expr);
  };
  roots.forEach(walk);
}

/** The expressions an expression is computed from. */
export function operandsOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "op":
      return expr.args;
    case "guard":
      return [expr.inside];
    case "gather":
      return expr.terms.map((term) => term.index);
    default:
      return [];
  }
}
