/** @file The integers of plans in x86-64: values are left in eax, conditions in the flags. */
import type { Value, Variable } from "../plan/language.ts";
import { type Assembler, type Condition, IF } from "./assembler.ts";
import { at, R14, R15, RAX, RCX, RDX } from "./encoding.ts";
import type { Frame } from "./frame.ts";

/** Holds the address of the memory, from which other addresses count. */
export const MEMORY = R15;
/** Holds the address of the thread's scratch memory. */
export const SCRATCH = R14;

const COMPARED: Readonly<Record<string, Condition>> = { eq: IF.zero, lt: IF.less, below: IF.below, reaches: IF.notBelow };

export interface Values {
  /** Leaves a value in eax; uses ecx and edx. */
  evaluate(value: Value): void;
  /** Sets the flags for a condition; returns when it holds. */
  compare(value: Value): Condition;
  /** Puts eax into a variable. */
  set(variable: Variable): void;
}

export function valuesIn(code: Assembler, { placeOf }: Frame): Values {
  const isSimple = (value: Value): value is number | Variable => typeof value === "number" || !("op" in value);

  /** Leaves the first value in eax and the second in ecx. */
  const evaluateBoth = ([left, right]: readonly [Value, Value]): void => {
    evaluate(left);
    if (isSimple(right)) {
      if (typeof right === "number") code.constant(RCX, right);
      else code.load(RCX, placeOf(right));
      return;
    }
    code.push(RAX);
    evaluate(right);
    code.load(RCX, RAX).pop(RAX);
  };
  /** Leaves a value in eax; uses ecx and edx. */
  const evaluate = (value: Value): void => {
    if (typeof value === "number") code.constant(RAX, value);
    else if (!("op" in value)) code.load(RAX, placeOf(value));
    else if (value.op === "scratch") code.load(RAX, SCRATCH);
    else if (value.op === "word") {
      evaluate(value.args[0]);
      code.longAdd(RAX, MEMORY).load(RAX, at(RAX));
    } else if (value.op === "let") {
      evaluate(value.args[0]);
      set(value.variable);
    } else if (value.op === "isZero" || value.op in COMPARED) code.setIf(compare(value));
    else {
      const [, right] = value.args as readonly [Value, Value];
      const power = typeof right === "number" && right > 0 ? Math.log2(right) : Number.NaN;
      switch (value.op) {
        case "add":
        case "sub":
        case "or":
          if (typeof right === "number") {
            evaluate(value.args[0]);
            if (right !== 0) code.intConstant(value.op, RAX, right);
            return;
          }
          evaluateBoth(value.args);
          code.int(value.op, RAX, RCX);
          return;
        case "mul":
          if (typeof right !== "number") {
            evaluateBoth(value.args);
            code.multiply(RAX, RCX);
            return;
          }
          evaluate(value.args[0]);
          if (!Number.isInteger(power)) code.multiplyConstant(RAX, right);
          else if (power > 0) code.shiftLeft(RAX, power);
          return;
        case "shl":
          evaluate(value.args[0]);
          code.shiftLeft(RAX, right as number);
          return;
        case "div":
        case "rem":
          if (Number.isInteger(power)) {
            evaluate(value.args[0]);
            if (value.op === "rem") code.intConstant("and", RAX, (right as number) - 1);
            else if (power > 0) code.shiftRight(RAX, power);
            return;
          }
          evaluateBoth(value.args);
          code.int("xor", RDX, RDX).divide(RCX);
          if (value.op === "rem") code.load(RAX, RDX);
          return;
        case "min":
          evaluateBoth(value.args);
          code.int("cmp", RAX, RCX).moveIf(IF.greater, RAX, RCX);
      }
    }
  };
  /** Sets the flags for a condition; returns when it holds. */
  const compare = (value: Value): Condition => {
    if (typeof value === "object" && "op" in value) {
      const condition = COMPARED[value.op];
      if (condition !== undefined) {
        evaluateBoth((value as { readonly args: readonly [Value, Value] }).args);
        code.int("cmp", RAX, RCX);
        return condition;
      }
      if (value.op === "isZero") {
        evaluate(value.args[0]);
        code.test(RAX, RAX);
        return IF.zero;
      }
    }
    evaluate(value);
    code.test(RAX, RAX);
    return IF.notZero;
  };
  const set = (variable: Variable): void => {
    const place = placeOf(variable);
    if (typeof place === "number") code.load(place, RAX);
    else code.store(place, RAX);
  };
  return { evaluate, compare, set };
}
