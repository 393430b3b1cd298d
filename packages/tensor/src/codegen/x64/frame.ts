/** @file Where the integer variables of a routine are: those that are used most in registers, the others on the stack. */
import type { Routine, Step, Value, Variable } from "../plan/language.ts";
import { at, type Memory, R8, R9, R10, R11, R12, R13, RBP, RBX } from "./encoding.ts";

/** Registers for variables. A routine that is called keeps none of them, and a run of elements needs all, so that only routines without either have
 * variables there. */
const REGISTERS = [RBX, R12, R13, R8, R9, R10, R11] as const;
/** A loop's steps count so many times as much as those around it. */
const TURNS = 8;

export interface Frame {
  /** A register's number, or a place on the stack. */
  readonly placeOf: (variable: Variable) => number | Memory;
  /** A parameter's place on the stack, which it has besides. */
  readonly stackOf: (parameter: Variable) => Memory;
  readonly bytes: number;
}

export function frameOf({ parameters, body }: Routine): Frame {
  const uses = new Map<Variable, number>(parameters.map((parameter) => [parameter, 0]));
  let calls = false;
  const use = (value: Value, weight: number): void => {
    if (typeof value === "number") return;
    if (!("op" in value)) uses.set(value, (uses.get(value) ?? 0) + weight);
    else if (value.op !== "scratch") {
      if (value.op === "let") use(value.variable, weight);
      for (const arg of value.args) use(arg, weight);
    }
  };
  const visit = (step: Step, weight: number): void => {
    if (step.kind === "repeat") {
      use(step.again, TURNS * weight);
      for (const inner of step.body) visit(inner, TURNS * weight);
    } else if (step.kind === "if") {
      use(step.condition, weight);
      for (const inner of [...step.body, ...step.otherwise]) visit(inner, weight);
    } else if (step.kind === "call" || step.kind === "elements") calls = true;
    else for (const value of valuesOf(step)) use(value, weight);
  };
  for (const step of body) visit(step, 1);
  const often = [...uses.keys()].sort((a, b) => uses.get(b)! - uses.get(a)!);
  const places = new Map<Variable, number>();
  if (!calls) for (const [i, register] of REGISTERS.entries()) if (often[i]) places.set(often[i], register);
  const stack = new Map([...uses.keys()].map((variable, i) => [variable, at(RBP, -4 * (i + 1))]));
  const stackOf = (variable: Variable): Memory => stack.get(variable)!;
  return { placeOf: (variable) => places.get(variable) ?? stackOf(variable), stackOf, bytes: 4 * stack.size };
}

/** What a step without steps of its own reads and sets. */
function valuesOf(step: Step): readonly Value[] {
  switch (step.kind) {
    case "set":
      return [step.variable, step.value];
    case "touch":
      return [step.address];
    case "accumulate":
      return [step.scalar, step.vector, ...step.loops.map(({ count }) => count)];
    case "store":
    case "addStored":
      return [step.address];
    case "clear":
      return [step.address];
    case "dots":
      return [step.dots.window, step.dots.gradient, step.dots.sums];
    case "philox":
      return Object.values(step.philox);
    case "transform":
      return [step.source, step.target, step.between];
    case "variables":
      return step.variables.filter(({ vector }) => !vector);
    default:
      return [];
  }
}
