/** @file How each scalar instruction is spelled in WebAssembly: on one element, and on four lanes.
 * Element form: bool, uint8 and int32 are i32 (bool is 0 or 1). Lane form: bool is a mask of ones or zeros, uint8 is i32x4. */
import type { DType } from "../../base/dtype.ts";
import { UnsupportedError } from "../../base/errors.ts";
import type { ScalarOp } from "../../ir/scalar.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { F32, I32, OP, SIMD, V128, type WasmType } from "./opcodes.ts";

/** Whether a value stands for one element or for four neighbours. */
export type Form = "element" | "lanes";

/** The type of a value in WebAssembly. */
export function wasmType(dtype: DType, form: Form): WasmType {
  return form === "lanes" ? V128 : dtype === "float32" ? F32 : I32;
}

/** Pushes a constant. */
export function pushConstant(f: FunctionBuilder, dtype: DType, value: number, form: Form): void {
  if (form === "lanes") f.v128(dtype === "float32" ? new Int32Array(new Float32Array([value]).buffer)[0]! : dtype === "bool" ? -value : value);
  else if (dtype === "float32") f.f32(value);
  else f.i32(value);
}

/** Emits an instruction whose operands are on the stack; `operand` is the type of the (first non-condition) operand. */
type Emit = (f: FunctionBuilder, operand: DType) => void;

const truncateSaturated = (f: FunctionBuilder): void => {
  f.op(0xfc, 0);
};

function byType(float: number | null, int: number): Emit {
  return (f, operand) => {
    if (operand === "float32" && float === null) throw new UnsupportedError("wasm: integer instruction on float32");
    f.op(operand === "float32" ? float! : int);
  };
}

/** max and min of i32 have no instruction: (a, b, a ⋛ b) select. Locals would be needed, so they are expanded in the emitter. */
export const ELEMENT: Readonly<Record<ScalarOp, Emit>> = {
  neg: (f, operand) => (operand === "float32" ? f.op(OP.f32_neg) : f.i32(-1).op(OP.i32_mul)),
  abs: byType(OP.f32_abs, OP.unreachable),
  sqrt: (f) => f.op(OP.f32_sqrt),
  floor: (f) => f.op(OP.f32_floor),
  not: (f) => f.op(OP.i32_eqz),
  toFloat: (f) => f.op(OP.f32_convert_i32_s),
  toInt: (f, operand) => {
    if (operand === "float32") truncateSaturated(f);
  },
  toUint8: (f, operand) => {
    if (operand === "float32") truncateSaturated(f);
    f.i32(255).op(OP.i32_and);
  },
  toBool: (f, operand) => (operand === "float32" ? f.f32(0).op(OP.f32_eq, OP.i32_eqz) : f.i32(0).op(OP.i32_ne)),
  bitsToFloat: (f) => f.op(OP.f32_reinterpret_i32),
  floatToBits: (f) => f.op(OP.i32_reinterpret_f32),
  add: byType(OP.f32_add, OP.i32_add),
  sub: byType(OP.f32_sub, OP.i32_sub),
  mul: byType(OP.f32_mul, OP.i32_mul),
  div: byType(OP.f32_div, OP.i32_div_s),
  max: byType(OP.f32_max, OP.unreachable),
  min: byType(OP.f32_min, OP.unreachable),
  eq: byType(OP.f32_eq, OP.i32_eq),
  lt: byType(OP.f32_lt, OP.i32_lt_s),
  le: byType(OP.f32_le, OP.i32_le_s),
  and: (f) => f.op(OP.i32_and),
  or: (f) => f.op(OP.i32_or),
  xor: (f) => f.op(OP.i32_xor),
  shiftLeft: (f) => f.op(OP.i32_shl),
  shiftRight: (f) => f.op(OP.i32_shr_u),
  // Operands arrive as (then, otherwise, condition).
  select: (f) => f.op(OP.select),
};

function lanes(float: number | null, int: number): Emit {
  return (f, operand) => {
    f.simd(operand === "float32" && float !== null ? float : int);
  };
}

/** Shifts by lane-wise amounts do not exist: the emitter takes the amount as a constant. */
export const LANES: Readonly<Record<ScalarOp, Emit>> = {
  neg: lanes(SIMD.f32x4_neg, SIMD.i32x4_neg),
  abs: lanes(SIMD.f32x4_abs, SIMD.i32x4_abs),
  sqrt: (f) => f.simd(SIMD.f32x4_sqrt),
  floor: (f) => f.simd(SIMD.f32x4_floor),
  not: (f) => f.simd(SIMD.v128_not),
  toFloat: (f, operand) => (operand === "bool" ? f.v128(0x3f800000).simd(SIMD.v128_and) : f.simd(SIMD.f32x4_convert_i32x4_s)),
  toInt: (f, operand) => {
    if (operand === "float32") f.simd(SIMD.i32x4_trunc_sat_f32x4_s);
    else if (operand === "bool") f.v128(1).simd(SIMD.v128_and);
  },
  toUint8: (f, operand) => {
    if (operand === "float32") f.simd(SIMD.i32x4_trunc_sat_f32x4_s);
    f.v128(operand === "bool" ? 1 : 255).simd(SIMD.v128_and);
  },
  toBool: (f, operand) => {
    if (operand === "bool") return;
    f.v128(0)
      .simd(operand === "float32" ? SIMD.f32x4_eq : SIMD.i32x4_eq)
      .simd(SIMD.v128_not);
  },
  bitsToFloat: () => {},
  floatToBits: () => {},
  add: lanes(SIMD.f32x4_add, SIMD.i32x4_add),
  sub: lanes(SIMD.f32x4_sub, SIMD.i32x4_sub),
  mul: lanes(SIMD.f32x4_mul, SIMD.i32x4_mul),
  div: (f) => f.simd(SIMD.f32x4_div),
  max: lanes(SIMD.f32x4_max, SIMD.i32x4_max_s),
  min: lanes(SIMD.f32x4_min, SIMD.i32x4_min_s),
  eq: lanes(SIMD.f32x4_eq, SIMD.i32x4_eq),
  lt: lanes(SIMD.f32x4_lt, SIMD.i32x4_lt_s),
  le: lanes(SIMD.f32x4_le, SIMD.i32x4_le_s),
  and: (f) => f.simd(SIMD.v128_and),
  or: (f) => f.simd(SIMD.v128_or),
  xor: (f) => f.simd(SIMD.v128_xor),
  shiftLeft: (f) => f.simd(SIMD.i32x4_shl),
  shiftRight: (f) => f.simd(SIMD.i32x4_shr_u),
  // Operands arrive as (then, otherwise, condition).
  select: (f) => f.simd(SIMD.v128_bitselect),
};
