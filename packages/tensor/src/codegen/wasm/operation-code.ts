/** @file Scalar operations on their operands: the instruction where there is one, and what stands for those that WebAssembly has not. */
import type { Expr } from "../../ir/scalar.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { I32, OP, SIMD } from "./opcodes.ts";
import { ELEMENT, LANES } from "./scalar-code.ts";

type Operation = Expr & { kind: "op" };

/** Pushes the operation's value, one element. */
export function emitElement(f: FunctionBuilder, { op, args }: Operation, push: (arg: Expr) => void): void {
  const operand = args[op === "select" ? 1 : 0]!.dtype;
  if (operand !== "float32" && (op === "max" || op === "min" || op === "abs")) {
    const a = f.local(I32);
    const b = f.local(I32);
    push(args[0]!);
    f.tee(a);
    if (op === "abs") f.get(a).i32(-1).op(OP.i32_mul).tee(b);
    else {
      push(args[1]!);
      f.tee(b);
    }
    f.get(a)
      .get(b)
      .op(op === "min" ? OP.i32_lt_s : OP.i32_gt_s)
      .op(OP.select);
    return;
  }
  for (const arg of op === "select" ? [args[1]!, args[2]!, args[0]!] : args) push(arg);
  ELEMENT[op](f, operand);
}

/** Pushes the operation's value, four lanes. */
export function emitLanes(f: FunctionBuilder, { op, args }: Operation, relaxed: boolean, push: (arg: Expr) => void): void {
  if (op === "select") return selectLanes(f, args as readonly [Expr, Expr, Expr], relaxed, push);
  const operand = args[0]!.dtype;
  push(args[0]!);
  if (op === "shiftLeft" || op === "shiftRight") f.i32((args[1] as Expr & { kind: "const" }).value);
  else if (args[1]) push(args[1]);
  const other = args[1];
  // pmin and pmax are one instruction of x86 where min and max are seven. With a constant other than zero or NaN they differ in nothing,
  // as long as the constant comes second: where the comparison fails, as with NaN, they give the first.
  const pseudo = operand === "float32" && other?.kind === "const" && other.value !== 0 && !Number.isNaN(other.value);
  if (pseudo && op === "min") f.simd(SIMD.f32x4_pmin);
  else if (pseudo && op === "max") f.simd(SIMD.f32x4_pmax);
  else LANES[op](f, operand);
}

/** Conditions are masks of whole lanes: selecting zero is one instruction, and so is the relaxed form, which is then exact. */
function selectLanes(f: FunctionBuilder, [condition, then, otherwise]: readonly [Expr, Expr, Expr], relaxed: boolean, push: (arg: Expr) => void): void {
  const isZero = (expr: Expr): boolean => expr.kind === "const" && Object.is(expr.value, 0);
  if (condition.kind === "op" && condition.op === "lt" && then.dtype === "float32") {
    // Choosing between what was compared: pmin and pmax give their first operand where the comparison fails, as with NaN.
    const [a, b] = condition.args as readonly [Expr, Expr];
    const pseudo = then === a && otherwise === b ? SIMD.f32x4_pmin : then === b && otherwise === a ? SIMD.f32x4_pmax : undefined;
    if (pseudo !== undefined) {
      push(otherwise);
      push(then);
      f.simd(pseudo);
      return;
    }
  }
  if (isZero(otherwise) || isZero(then)) {
    push(isZero(otherwise) ? then : otherwise);
    push(condition);
    f.simd(isZero(otherwise) ? SIMD.v128_and : SIMD.v128_andnot);
    return;
  }
  for (const arg of [then, otherwise, condition]) push(arg);
  if (relaxed) f.simd(SIMD.i32x4_relaxed_laneselect);
  else LANES.select(f, then.dtype);
}
