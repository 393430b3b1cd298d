/** @file Values of one vector of elements for x86-64: each computed once, in registers as long as they suffice. */
import { invariant } from "../../base/errors.ts";
import type { ElementPlace, ElementValue } from "../plan/language.ts";
import { type Assembler, IF } from "./assembler.ts";
import { at, type Constant, type Label, type Memory, type Operand } from "./encoding.ts";

/** Elements of a vector. */
export type Width = 8 | 4 | 1;
/** Lanes that are computed for so many elements. */
export const lanesOf = (width: Width): 8 | 4 => (width === 1 ? 4 : width);

interface Surroundings {
  readonly width: Width;
  /** The first so many vector registers are free. */
  readonly registers: number;
  /** Values that are in memory already, in all lanes of a whole register. */
  readonly ready: ReadonlyMap<ElementValue, Memory>;
  readonly address: (place: ElementPlace, along: boolean) => Memory;
  /** A register for addresses; not there where elements are combined. */
  readonly spare: number;
  /** Room for a vector that no register is left for. */
  readonly place: () => Memory;
  /** Is given each of the values in turn. */
  readonly use: (operand: Operand, i: number) => void;
  /** Whether the values may be given in memory; otherwise they are in registers. */
  readonly anywhere: boolean;
}

/** Emits code that computes the values one after the other. */
export function emitElement(code: Assembler, values: readonly ElementValue[], surroundings: Surroundings): void {
  new Vector(code, values, surroundings).emit();
}

type Operation = ElementValue & { readonly kind: "op" };

/** A narrow element is read as the last of four bytes: nothing starts at the memory's very beginning, but something may end with it. */
const BEFORE = 3;

const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7];

/** An operation, or a value that is wanted. */
type Task = { readonly operation: Operation } | { readonly value: ElementValue; readonly i: number };

class Vector {
  readonly #code: Assembler;
  readonly #lanes: 8 | 4;
  readonly #around: Surroundings;
  readonly #tasks: Task[] = [];
  /** The tasks that use a value, the next one first. */
  readonly #uses = new Map<ElementValue, number[]>();
  readonly #registers = new Map<ElementValue, number>();
  readonly #spilled = new Map<ElementValue, Memory>();
  readonly #free: number[];
  /** Registers that the current task needs. */
  readonly #held = new Set<number>();
  #now = 0;

  constructor(code: Assembler, values: readonly ElementValue[], around: Surroundings) {
    this.#code = code;
    this.#lanes = lanesOf(around.width);
    this.#around = around;
    this.#free = Array.from({ length: around.registers }, (_, i) => around.registers - 1 - i);
    const planned = new Set<ElementValue>();
    const plan = (value: ElementValue): void => {
      if (value.kind !== "op" || planned.has(value) || around.ready.has(value)) return;
      planned.add(value);
      value.args.forEach(plan);
      for (const arg of value.args) this.#noteUse(arg);
      this.#tasks.push({ operation: value });
    };
    values.forEach((value, i) => {
      plan(value);
      this.#noteUse(value);
      this.#tasks.push({ value, i });
    });
  }

  #noteUse(value: ElementValue): void {
    const uses = this.#uses.get(value) ?? [];
    uses.push(this.#tasks.length);
    this.#uses.set(value, uses);
  }

  emit(): void {
    for (const [now, task] of this.#tasks.entries()) {
      this.#now = now;
      this.#held.clear();
      if ("operation" in task) this.#registers.set(task.operation, this.#compute(task.operation));
      else {
        this.#around.use(this.#around.anywhere ? this.#operand(task.value) : this.#register(task.value), task.i);
        this.#release([task.value]);
      }
    }
  }

  /** A value in a register. It is there until its last use. */
  #register(value: ElementValue): number {
    let register = this.#registers.get(value);
    if (register === undefined) {
      register = this.#allocate();
      this.#fetch(register, value);
      this.#registers.set(value, register);
    }
    this.#held.add(register);
    return register;
  }

  /** A value in a register or in memory; what comes from a buffer, in memory only where it is used this once. */
  #operand(value: ElementValue): Operand {
    const register = this.#registers.get(value);
    if (register !== undefined) {
      this.#held.add(register);
      return register;
    }
    const memory = this.#memory(value);
    return memory && (value.kind !== "load" || this.#around.ready.has(value) || this.#uses.get(value)!.length === 1) ? memory : this.#register(value);
  }

  /** Where a whole vector of a value can be read from. */
  #memory(value: ElementValue): Memory | Constant | null {
    if (value.kind === "bits") return { bits: value.bits };
    const stored = this.#around.ready.get(value) ?? this.#spilled.get(value);
    if (stored) return stored;
    return value.kind === "load" && value.along && !value.narrow && this.#around.width > 1 ? this.#around.address(value, true) : null;
  }

  #fetch(to: number, value: ElementValue): void {
    const memory = this.#memory(value);
    if (memory) {
      this.#code.vectorLoad(this.#lanes, to, memory);
      return;
    }
    invariant(value.kind === "load", "a value is used before it is computed");
    const from = this.#around.address(value, value.along);
    if (!value.narrow) this.#loadOne(to, from, value.along);
    else if (value.along && this.#around.width > 1) this.#code.loadBytes(this.#lanes, to, from);
    else {
      this.#loadOne(to, { ...from, offset: from.offset - BEFORE }, value.along);
      this.#code.shiftLanes("right", this.#lanes, to, to, 24);
    }
  }

  #loadOne(to: number, from: Memory, first: boolean): void {
    if (first) this.#code.loadFirst(to, from);
    else this.#code.broadcast(this.#lanes, to, from);
  }

  /** The places of a `gather` into a register. */
  #gather({ args: [index], from }: Operation): number {
    const code = this.#code;
    const { width, spare } = this.#around;
    const offsets = this.#register(index!);
    // Before there are branches: what is moved out of a register to make room for these is moved on every way.
    const halves = Array.from({ length: Math.ceil(width / 4) }, () => {
      const register = this.#allocate();
      this.#held.add(register);
      return register;
    });
    const [to, upper] = halves as [number, number | undefined];
    const done = code.label();
    if (upper !== undefined) this.#gatherNeighbours(offsets, from!, to, upper, done);
    const stored = this.#around.place();
    code.vectorStore(this.#lanes, stored, offsets);
    const { base, offset } = this.#around.address(from!, false);
    const element = at(spare, from!.narrow ? offset - BEFORE : offset);
    // One by one: the processor's own instruction takes twice as long.
    halves.forEach((four, half) => {
      for (let lane = 0; lane < Math.min(4, width); lane++) {
        code.load(spare, at(stored.base, stored.offset + 16 * half + 4 * lane)).longAdd(spare, base);
        if (lane === 0) code.loadFirst(four, element);
        else code.loadLane(four, element, lane);
      }
    });
    if (upper !== undefined) {
      code.insertFour(8, to, upper, 1);
      this.#free.push(upper);
    }
    if (from!.narrow) code.shiftLanes("right", this.#lanes, to, to, 24);
    code.bind(done);
    this.#release([index!]);
    return to;
  }

  /** Reads eight elements at once and goes on at `done` where they follow each other, forwards or backwards, as the pixels of a row mostly do. */
  #gatherNeighbours(offsets: number, from: ElementPlace, to: number, other: number, done: Label): void {
    const code = this.#code;
    const { spare } = this.#around;
    const { base, offset } = this.#around.address(from, false);
    const bytes = from.narrow ? 1 : 4;
    code.broadcastFirst(8, to, offsets).vector("subInt", 8, to, offsets, to);
    for (const step of [bytes, -bytes]) {
      const otherwise = code.label();
      code.vector("eqInt", 8, other, to, { bits: EIGHT.map((i) => i * step) }).signs(8, spare, other);
      code.intConstant("cmp", spare, 255).jumpIf(IF.notZero, otherwise);
      code.storeFirst(spare, offsets).longAdd(spare, base);
      const least = at(spare, step < 0 ? offset + 7 * step : offset);
      if (from.narrow) code.loadBytes(8, to, least);
      else code.vectorLoad(8, to, least);
      if (step < 0) code.vectorLoad(8, other, { bits: EIGHT.toReversed() }).permute(to, other, to);
      code.jump(done).bind(otherwise);
    }
  }

  #allocate(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    let [farthest, register, value] = [-1, -1, undefined as ElementValue | undefined];
    for (const [other, its] of this.#registers) {
      const next = this.#uses.get(other)![0]!;
      if (this.#held.has(its) || next <= farthest) continue;
      [farthest, register, value] = [next, its, other];
    }
    invariant(value !== undefined, "an operation has more operands than there are registers");
    if (value.kind === "op" && !this.#memory(value)) {
      const place = this.#around.place();
      this.#code.vectorStore(this.#lanes, place, register);
      this.#spilled.set(value, place);
    }
    this.#registers.delete(value);
    return register;
  }

  /** Gives back the registers of values that the current task was the last to use. */
  #release(values: readonly ElementValue[]): void {
    for (const value of new Set(values)) {
      const uses = this.#uses.get(value)!;
      while (uses[0] === this.#now) uses.shift();
      if (uses.length > 0) continue;
      const register = this.#registers.get(value);
      if (register === undefined) continue;
      this.#registers.delete(value);
      this.#free.push(register);
    }
  }

  /** Computes an operation into a register, which may be that of an operand. */
  #compute(operation: Operation): number {
    const { op, args } = operation;
    const code = this.#code;
    const lanes = this.#lanes;
    const [a, b, c] = args as readonly [ElementValue, ElementValue, ElementValue];
    /** The result's register, once the operands are where they are read from. */
    const result = (): number => {
      this.#release(args);
      return this.#allocate();
    };
    switch (op) {
      case "gather":
        return this.#gather(operation);
      case "sqrt":
      case "toFloat": {
        const from = this.#operand(a);
        const to = result();
        code.vectorOfOne(op, lanes, to, from);
        return to;
      }
      case "floor": {
        const from = this.#operand(a);
        const to = result();
        code.floor(lanes, to, from);
        return to;
      }
      case "shiftLeft":
      case "shiftRight": {
        invariant(b.kind === "bits", "a shift is not by a constant");
        const from = this.#register(a);
        const to = result();
        code.shiftLanes(op === "shiftLeft" ? "left" : "right", lanes, to, from, b.bits);
        return to;
      }
      case "select": {
        const mask = this.#register(a);
        const otherwise = this.#register(c);
        const then = this.#operand(b);
        const to = result();
        code.blend(lanes, to, mask, then, otherwise);
        return to;
      }
      case "eq":
      case "lt":
      case "le": {
        const left = this.#register(a);
        const right = this.#operand(b);
        const to = result();
        code.compare(op, lanes, to, left, right);
        return to;
      }
      default: {
        const left = this.#register(a);
        const right = this.#operand(b);
        const to = result();
        code.vector(op, lanes, to, left, right);
        return to;
      }
    }
  }
}
