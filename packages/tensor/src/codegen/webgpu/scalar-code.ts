/** @file How each scalar instruction is spelled in WGSL, on one element and on four (`vec4`). Operands have one width. */
import type { DType } from "../../base/dtype.ts";
import type { ScalarOp } from "../../ir/scalar.ts";

/** An instruction applied to operand texts; `operand` is the type of the (first non-condition) operand. */
type Spell = (args: readonly string[], operand: DType, wide: boolean) => string;

const infix =
  (sign: string): Spell =>
  ([a, b]) =>
    `${a} ${sign} ${b}`;
const call =
  (name: string): Spell =>
  (args) =>
    `${name}(${args.join(", ")})`;
const type = (name: string, wide: boolean): string => (wide ? `vec4<${name}>` : name);
const extremum =
  (name: "max" | "min"): Spell =>
  (args, operand, wide) =>
    call(operand === "float32" ? `${name}_float${wide ? "4" : ""}` : name)(args, operand, wide);

/** Comparisons with NaN are false by IEEE 754; WGSL promises nothing, so the operands' bits are asked where the result would differ. */
const compare =
  (sign: string): Spell =>
  ([a, b], operand, wide) => {
    if (operand === "bool" && sign !== "==") return `${type("u32", wide)}(${a}) ${sign} ${type("u32", wide)}(${b})`;
    if (operand !== "float32" || sign !== "==" || a !== b) return `${a} ${sign} ${b}`;
    // x = x: the way formulas ask whether x is a number.
    return wide ? `!is_nan4(${a})` : `!is_nan(${a})`;
  };

export const INSTRUCTION: Readonly<Record<ScalarOp, Spell>> = {
  neg: ([a]) => `-${a}`,
  abs: call("abs"),
  sqrt: call("sqrt"),
  floor: call("floor"),
  not: ([a]) => `!${a}`,
  toFloat: ([a], _, wide) => `${type("f32", wide)}(${a})`,
  toInt: ([a], operand, wide) => (operand === "float32" ? `to_int${wide ? "4" : ""}(${a})` : `${type("i32", wide)}(${a})`),
  toUint8: ([a], operand, wide) => `(${operand === "float32" ? `to_int${wide ? "4" : ""}(${a})` : `${type("i32", wide)}(${a})`} & ${type("i32", wide)}(255))`,
  toBool: ([a], operand, wide) => (operand === "bool" ? a! : `${a} != ${type(operand === "float32" ? "f32" : "i32", wide)}(0)`),
  bitsToFloat: ([a], _, wide) => `bitcast<${type("f32", wide)}>(${a})`,
  floatToBits: ([a], _, wide) => `bitcast<${type("i32", wide)}>(${a})`,
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: infix("/"),
  max: extremum("max"),
  min: extremum("min"),
  eq: compare("=="),
  lt: compare("<"),
  le: compare("<="),
  and: infix("&"),
  or: infix("|"),
  xor: ([a, b], operand) => (operand === "bool" ? `${a} != ${b}` : `${a} ^ ${b}`),
  shiftLeft: ([a, b], _, wide) => `${a} << (${type("u32", wide)}(${b}) & ${type("u32", wide)}(31u))`,
  shiftRight: ([a, b], _, wide) =>
    `bitcast<${type("i32", wide)}>(bitcast<${type("u32", wide)}>(${a}) >> (${type("u32", wide)}(${b}) & ${type("u32", wide)}(31u)))`,
  select: ([condition, then, otherwise]) => `select(${otherwise}, ${then}, ${condition})`,
};
