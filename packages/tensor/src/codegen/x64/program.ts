/** @file Plans as x86-64 code (AVX2 and FMA or AVX-512, the System V calling convention), position-independent but for the address of the memory that
 * plans' addresses count from. Integer variables live on the stack: what is done between tiles is little. */
import type { Plan, Routine, Step, Variable } from "../plan/language.ts";
import { Assembler, type Condition } from "./assembler.ts";
import { emitClear, emitDots } from "./dots.ts";
import { ElementRuns } from "./elements.ts";
import { at, type Label, R8, R9, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from "./encoding.ts";
import { frameOf } from "./frame.ts";
import { emitPhilox } from "./philox.ts";
import { RegisterTiles } from "./register-tile.ts";
import type { VectorSet } from "./registers.ts";
import { emitTransform } from "./transform.ts";
import { MEMORY, SCRATCH, valuesIn } from "./values.ts";

/** Registers of arguments, in order. */
const ARGUMENTS = [RDI, RSI, RDX, RCX, R8, R9] as const;
/** Registers that a called function must leave as they were. */
const SAVED = [RBX, RBP, R12, R13, R14, R15] as const;
/** Code that is entered at its start, as a C function of six 32-bit integers: the place of a plan's entry in the code, the task, three buffers, and the
 * thread's scratch memory; all addresses from the memory's start on. */
export class NativeEncoder {
  readonly #code: Assembler;
  readonly #set: VectorSet;

  constructor(memory: bigint, set: VectorSet) {
    this.#set = set;
    this.#code = new Assembler(set.lanes);
    emitStart(this.#code, memory);
  }

  /** Adds the code of a plan; returns the place of its entry. */
  add({ routines }: Plan): number {
    const labels = new Map<Routine, Label>();
    for (const routine of routines) labels.set(routine, emitRoutine(this.#code, this.#set, routine, labels));
    return labels.get(routines.at(-1)!)!.place;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#code.finish();
  }
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

const opposite = (condition: Condition): Condition => (condition ^ 1) as Condition;

function emitRoutine(code: Assembler, vectors: VectorSet, routine: Routine, labels: ReadonlyMap<Routine, Label>): Label {
  const frame = frameOf(routine);
  const { evaluate, compare, set } = valuesIn(code, frame);
  const load = (register: number, variable: Variable): void => {
    code.load(register, frame.placeOf(variable));
  };
  const tiles = new RegisterTiles(code, vectors, load);
  const runs = new ElementRuns(code, load);
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
        set(step.variable);
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
        tiles.accumulate(step.tile, step.scalar, step.vector, step.loops, step.ahead);
        break;
      case "totals":
        tiles.totals(step.what, step.tile);
        break;
      case "store":
      case "addStored":
        tiles[step.kind](step.tile, step.address, step.rowOffsets);
        break;
      case "clear":
        pointer(RDI, step.address);
        emitClear(code, RDI, step.words);
        break;
      case "dots":
        emitDots(code, vectors, step.dots, pointer);
        break;
      case "elements":
        runs.emit(step.run);
        break;
      case "philox":
        emitPhilox(code, vectors, step.philox, pointer, load);
        break;
      case "transform":
        pointer(RSI, step.source);
        pointer(RDI, step.target);
        pointer(RDX, step.between);
        emitTransform(code, step.transform, RSI, RDI, RDX);
    }
  };

  const entry = code.align(16).here();
  code.push(RBP).longMove(RBP, RSP);
  const room = code.intConstantLater("sub", RSP);
  // Below the variables, aligned for vectors: totals of a tile, or what a run of elements puts by.
  code.intConstant("and", RSP, -64, true);
  for (const [i, parameter] of routine.parameters.entries()) code.store(frame.stackOf(parameter), ARGUMENTS[i]!);
  for (const parameter of routine.parameters) {
    const place = frame.placeOf(parameter);
    if (typeof place === "number") code.load(place, frame.stackOf(parameter));
  }
  routine.body.forEach(emit);
  room(frame.bytes + Math.max(tiles.totalBytes, runs.bytes));
  code.longMove(RSP, RBP).pop(RBP).return();
  return entry;
}
