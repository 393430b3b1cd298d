/** @file Plans as x86-64 code (AVX2, FMA, the System V calling convention), position-independent but for the address of the memory that plans' addresses
 * count from. Integer variables live on the stack: what is done between tiles is little. */
import type { Plan, Routine, Step, Value, Variable } from "../plan/language.ts";
import { Assembler, at, type Condition, IF, type Label, R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from "./assembler.ts";
import { RegisterTiles } from "./register-tile.ts";
import { emitTransform } from "./transform.ts";

/** Registers of arguments, in order. */
const ARGUMENTS = [RDI, RSI, RDX, RCX, R8, R9] as const;
/** Registers that a called function must leave as they were. */
const SAVED = [RBX, RBP, R12, R13, R14, R15] as const;
/** R15 holds the memory's address, R14 (of 32 bits, from there on) that of the thread's scratch memory. */
const [MEMORY, SCRATCH] = [R15, R14] as const;

/** Code that is entered at its start, as a C function of six 32-bit integers: the place of a plan's entry in the code, the task, three buffers, and the
 * thread's scratch memory; all addresses from the memory's start on. */
export interface NativeProgram {
  readonly code: Uint8Array<ArrayBuffer>;
  /** Per plan, the place of its entry. */
  readonly entries: readonly number[];
}

export function encodeNative(plans: readonly Plan[], memory: bigint): NativeProgram {
  const code = new Assembler();
  emitStart(code, memory);
  const entries = plans.map(({ routines }) => {
    const labels = new Map<Routine, Label>();
    for (const routine of routines) labels.set(routine, emitRoutine(code, routine, labels));
    return labels.get(routines.at(-1)!)!.place;
  });
  return { code: code.finish(), entries };
}

function emitStart(code: Assembler, memory: bigint): void {
  const start = code.here();
  for (const register of SAVED) code.push(register);
  // The stack is aligned to 16 bytes where a function is called.
  code.push(RAX);
  code.longConstant(MEMORY, memory).load(SCRATCH, R9);
  code.signExtend(RAX, RDI).addressOf(R11, start).longAdd(RAX, R11);
  for (const [i, register] of ARGUMENTS.slice(0, 4).entries()) code.load(register, ARGUMENTS[i + 1]!);
  code.callRegister(RAX).zeroUpper().pop(RCX);
  for (const register of SAVED.toReversed()) code.pop(register);
  code.return();
}

const COMPARED: Readonly<Record<string, Condition>> = { eq: IF.zero, lt: IF.less, below: IF.below, reaches: IF.notBelow };
const opposite = (condition: Condition): Condition => (condition ^ 1) as Condition;

function emitRoutine(code: Assembler, { parameters, body }: Routine, labels: ReadonlyMap<Routine, Label>): Label {
  const variables = integers(body);
  const slots = new Map([...parameters, ...variables].map((variable, i) => [variable, at(RBP, -4 * (i + 1))]));
  const slot = (variable: Variable) => slots.get(variable)!;
  const load = (register: number, variable: Variable): void => {
    code.load(register, slot(variable));
  };
  const tiles = new RegisterTiles(code, load);
  const isSimple = (value: Value): value is number | Variable => typeof value === "number" || !("op" in value);

  /** Leaves the first value in eax and the second in ecx. */
  const evaluateBoth = ([left, right]: readonly [Value, Value]): void => {
    evaluate(left);
    if (isSimple(right)) {
      if (typeof right === "number") code.constant(RCX, right);
      else load(RCX, right);
      return;
    }
    code.push(RAX);
    evaluate(right);
    code.load(RCX, RAX).pop(RAX);
  };
  /** Leaves a value in eax; uses ecx and edx. */
  const evaluate = (value: Value): void => {
    if (typeof value === "number") code.constant(RAX, value);
    else if (!("op" in value)) load(RAX, value);
    else if (value.op === "scratch") code.load(RAX, SCRATCH);
    else if (value.op === "let") {
      evaluate(value.args[0]);
      code.store(slot(value.variable), RAX);
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
  const pointer = (register: number, address: Variable): void => {
    load(register, address);
    code.longAdd(register, MEMORY);
  };
  const emit = (step: Step): void => {
    switch (step.kind) {
      case "variables":
        break;
      case "set":
        evaluate(step.value);
        code.store(slot(step.variable), RAX);
        break;
      case "repeat": {
        const start = code.here();
        step.body.forEach(emit);
        code.jumpIf(compare(step.again), start);
        break;
      }
      case "if": {
        const [otherwise, end] = [code.label(), code.label()];
        code.jumpIf(opposite(compare(step.condition)), otherwise);
        step.body.forEach(emit);
        if (step.otherwise.length > 0) code.jump(end);
        code.bind(otherwise);
        step.otherwise.forEach(emit);
        code.bind(end);
        break;
      }
      case "call":
        for (const arg of step.args) {
          evaluate(arg);
          code.push(RAX);
        }
        for (let i = step.args.length - 1; i >= 0; i--) code.pop(ARGUMENTS[i]!);
        code.call(labels.get(step.routine)!);
        break;
      case "touch":
        evaluate(step.address);
        code.longAdd(RAX, MEMORY).prefetch(at(RAX));
        break;
      case "accumulate":
        tiles.accumulate(step.tile, step.scalar, step.vector, step.loops);
        break;
      case "totals":
        tiles.totals(step.what, step.tile);
        break;
      case "store":
      case "addStored":
        tiles[step.kind](step.tile, step.address, step.rowOffsets);
        break;
      case "transform":
        pointer(RSI, step.source);
        pointer(RDI, step.target);
        pointer(R10, step.between);
        emitTransform(code, step.transform, RSI, RDI, R10);
    }
  };

  const entry = code.align(16).here();
  code.push(RBP).longMove(RBP, RSP);
  const room = code.intConstantLater("sub", RSP);
  // Below the variables, aligned for vectors: totals of a tile.
  code.intConstant("and", RSP, -64, true);
  for (const [i, parameter] of parameters.entries()) code.store(slot(parameter), ARGUMENTS[i]!);
  body.forEach(emit);
  room(4 * slots.size + tiles.totalBytes);
  code.longMove(RSP, RBP).pop(RBP).return();
  return entry;
}

/** The integer variables that steps declare. */
function integers(steps: readonly Step[]): Variable[] {
  return steps.flatMap((step): Variable[] => {
    if (step.kind === "variables") return step.variables.filter(({ vector }) => !vector);
    if (step.kind === "repeat") return integers(step.body);
    return step.kind === "if" ? [...integers(step.body), ...integers(step.otherwise)] : [];
  });
}
