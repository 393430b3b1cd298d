/** @file Runs of elements for x86-64: eight at a time, then four, then one. Pointers and sums stay in registers; what does not change along a run is
 * computed before it. */
import { invariant } from "../../base/errors.ts";
import type { ElementPlace, ElementResult, ElementRun, ElementValue, Variable } from "../plan/language.ts";
import { type Assembler, IF } from "./assembler.ts";
import { emitElement, lanesOf, type Width } from "./element-values.ts";
import { at, type Memory, type Operand, R8, R9, R10, R11, R12, R13, R14, RAX, RBX, RCX, RDI, RDX, RSI, RSP } from "./encoding.ts";
import { MEMORY } from "./values.ts";

const POINTERS = [RCX, RDX, RBX, RSI, RDI, R8, R9, R10, R11, R12, R13] as const;
/** Elements from the run's first one on. */
const INDEX = RAX;
/** Turns of the innermost loop that are left, or an address while there are none. The thread's scratch memory, whose address is there otherwise, is not for runs. */
const COUNTER = R14;
/** Vector registers; sums have the last ones. They are AVX2's: loops wait for memory, and longer vectors made those of a training step no faster. */
const REGISTERS = 16;
const MOST_SUMS = 8;
/** Vectors that are written out one after the other, where a run has no more. */
const WRITTEN_OUT = 4;
/** At the stack pointer: what is left of a run whose length is in a variable, then counters of outer loops, then places for vectors. */
const LEFT = at(RSP);
const counterOf = (depth: number): Memory => at(RSP, 4 + 4 * depth);
const VECTOR_BYTES = 32;
const MOST_TURNS = VECTOR_BYTES / 4 - 1;
/** What invalid operations give. */
const DEFAULT_NAN = -0x400000;

/** Where the elements of a vector are. */
interface Position {
  readonly width: Width;
  /** Elements before it, besides those that the index counts. */
  readonly first: number;
  readonly indexed: boolean;
}

export class ElementRuns {
  readonly #code: Assembler;
  readonly #load: (register: number, variable: Variable) => void;
  /** Bytes at the stack pointer that runs take. */
  bytes = 0;

  constructor(code: Assembler, load: (register: number, variable: Variable) => void) {
    this.#code = code;
    this.#load = load;
  }

  emit(run: ElementRun): void {
    new Run(this.#code, run).emit(this.#load, (bytes) => {
      this.bytes = Math.max(this.bytes, bytes);
    });
  }
}

/** One run's code under construction. */
class Run {
  readonly #code: Assembler;
  readonly #run: ElementRun;
  readonly #pointers = new Map<Variable, number>();
  /** Places of vectors that were computed before the run. */
  readonly #ready = new Map<ElementValue, Memory>();
  #places = 0;
  #mostPlaces = 0;

  constructor(code: Assembler, run: ElementRun) {
    this.#code = code;
    this.#run = run;
    invariant(run.turns.length <= MOST_TURNS, "a run has too many loops around");
    for (const { pointer, value } of run.results) {
      this.#note(pointer);
      forEachValue(value, (part) => {
        const place = part.kind === "load" ? part : part.kind === "op" ? part.from : undefined;
        if (place) this.#note(place.pointer);
      });
    }
  }

  #note(pointer: Variable): void {
    if (this.#pointers.has(pointer)) return;
    const register = POINTERS[this.#pointers.size];
    invariant(register !== undefined, "a run has too many pointers");
    this.#pointers.set(pointer, register);
  }

  emit(load: (register: number, variable: Variable) => void, take: (bytes: number) => void): void {
    const code = this.#code;
    const { count, turns, across, results } = this.#run;
    for (const [pointer, register] of this.#pointers) {
      load(register, pointer);
      code.longAdd(register, MEMORY);
    }
    if (turns.length === 0) this.#prepare();
    if (typeof count !== "number") {
      load(INDEX, count.variable);
      code.store(LEFT, INDEX);
    }
    if (across) this.#across(results);
    else if (turns.length > 0 || results.some(({ combine }) => combine)) this.#sums(results);
    else this.#sweep([[8, 1]], (position) => this.#store(results, position));
    take(VECTOR_BYTES * (1 + this.#mostPlaces));
  }

  /** Computes what is the same for all elements. */
  #prepare(): void {
    const steady = new Map<ElementValue, boolean>();
    const isSteady = (value: ElementValue): boolean => {
      const known = steady.get(value);
      if (known !== undefined) return known;
      const is = value.kind === "op" ? value.args.every(isSteady) : value.kind === "bits" || !value.along;
      steady.set(value, is);
      return is;
    };
    const prepare = (value: ElementValue): void => {
      if (this.#ready.has(value) || value.kind === "bits") return;
      if (!isSteady(value)) {
        if (value.kind === "op") value.args.forEach(prepare);
        return;
      }
      const place = this.#place();
      this.#values([value], { width: 8, first: 0, indexed: false }, REGISTERS, (register) => this.#code.vectorStore(8, place, this.#inRegister(register)));
      this.#ready.set(value, place);
    };
    for (const { value } of this.#run.results) prepare(value);
  }

  #inRegister(operand: Operand): number {
    invariant(typeof operand === "number", "a value is not in a register");
    return operand;
  }

  #place(): Memory {
    this.#places++;
    this.#mostPlaces = Math.max(this.#mostPlaces, this.#places);
    return at(RSP, VECTOR_BYTES * this.#places);
  }

  #address({ pointer, offset, narrow }: ElementPlace, along: boolean, { first, indexed }: Position): Memory {
    const base = this.#pointers.get(pointer)!;
    const scale = narrow ? 1 : 4;
    return along ? { base, offset: offset + scale * first, ...(indexed ? { index: INDEX, scale } : {}) } : at(base, offset);
  }

  /** Computes values at a position, and hands each over: in a register, or where it can be read from. */
  #values(values: readonly ElementValue[], position: Position, registers: number, use: (operand: Operand, i: number) => void, anywhere = false): void {
    const before = this.#places;
    emitElement(this.#code, values, {
      width: position.width,
      registers,
      ready: this.#ready,
      address: (place, along) => this.#address(place, along, position),
      spare: COUNTER,
      place: () => this.#place(),
      use,
      anywhere,
    });
    this.#places = before;
  }

  #store(results: readonly ElementResult[], position: Position): void {
    this.#values(
      results.map(({ value }) => value),
      position,
      REGISTERS,
      (operand, i) => {
        this.#storeAt(this.#address(results[i]!, true, position), this.#inRegister(operand), position.width);
      },
    );
  }

  #storeAt(to: Memory, register: number, width: Width): void {
    if (width === 1) this.#code.storeLane(to, register, 0);
    else this.#code.vectorStore(width, to, register);
  }

  /** Combines the values of all turns, a few vectors of results at a time. */
  #sums(results: readonly ElementResult[]): void {
    const code = this.#code;
    const most = Math.max(1, Math.floor(MOST_SUMS / results.length));
    const { count } = this.#run;
    const whole = typeof count === "number" ? Math.min(most, Math.floor(count / 8)) : most;
    const rest = typeof count === "number" && whole > 0 ? Math.floor((count % (8 * whole)) / 8) : 1;
    const sizes: (readonly [width: Width, vectors: number])[] = [];
    if (whole > 1) sizes.push([8, whole]);
    if (rest > 1 && rest < whole) sizes.push([8, rest]);
    this.#sweep([...sizes, [8, 1]], (position, vectors) => {
      const sums = results.map((_, i) => Array.from({ length: vectors }, (__, vector) => REGISTERS - 1 - (i * vectors + vector)));
      const lanes = lanesOf(position.width);
      results.forEach(({ combine }, i) => {
        for (const sum of sums[i]!) code.vectorLoad(lanes, sum, { bits: combine!.start });
      });
      const ahead = (vector: number): Position => ({ ...position, first: position.first + 8 * vector });
      this.#turns(0, () => {
        for (let vector = 0; vector < vectors; vector++) this.#combine(results, ahead(vector), (i) => sums[i]![vector]!);
      });
      results.forEach((result, i) => {
        sums[i]!.forEach((sum, vector) => {
          if (position.width === 1 && result.combine!.op === "largerInt") this.#settleNan(sum);
          this.#storeAt(this.#address(result, true, ahead(vector)), sum, position.width);
        });
      });
    });
  }

  /** Combines the values at a position with sums, which have the last registers; of `halves` with sums of four lanes, one half after the other. */
  #combine(results: readonly ElementResult[], position: Position, sumOf: (i: number) => number, halves = false): void {
    const code = this.#code;
    const upper = REGISTERS - MOST_SUMS - 1;
    this.#values(
      results.map(({ value }) => value),
      position,
      halves ? upper : REGISTERS - MOST_SUMS,
      (operand, i) => {
        const { op } = results[i]!.combine!;
        const sum = sumOf(i);
        code.vector(op, halves ? 4 : lanesOf(position.width), sum, sum, operand);
        if (!halves) return;
        if (typeof operand === "number") code.extractFour(8, upper, operand, 1);
        code.vector(op, 4, sum, sum, typeof operand === "number" ? upper : "base" in operand ? { ...operand, offset: operand.offset + 16 } : operand);
      },
      true,
    );
  }

  /** Combines the elements of a run: four sums, and one of what is left over. */
  #across(results: readonly ElementResult[]): void {
    const code = this.#code;
    invariant(2 * results.length <= MOST_SUMS, "a run has too many sums");
    const four = (i: number): number => REGISTERS - 1 - i;
    const one = (i: number): number => REGISTERS - 1 - results.length - i;
    results.forEach(({ combine }, i) => {
      for (const sum of [four(i), one(i)]) code.vectorLoad(4, sum, { bits: combine!.start });
    });
    this.#turns(0, () => {
      this.#sweep([[8, 1]], (position) => this.#combine(results, position, position.width === 1 ? one : four, position.width === 8));
    });
    results.forEach((result, i) => {
      const { op } = result.combine!;
      // (0, 1, 2, 3) and (2, 3, ·, ·), then (1, ·, ·, ·), then what is left over.
      for (const order of [0x4e, 0x39]) {
        code.shuffle(0, four(i), order);
        code.vector(op, 4, four(i), four(i), 0);
      }
      code.vector(op, 4, four(i), four(i), one(i));
      if (op === "largerInt") this.#settleNan(four(i));
      code.storeLane(this.#address(result, false, { width: 1, first: 0, indexed: false }), four(i), 0);
    });
  }

  /** Makes a NaN the one that WebAssembly's maximum of single floats gives on this processor. */
  #settleNan(register: number): void {
    const [mask, nan] = [0, 1];
    this.#code.compare("unordered", 4, mask, register, register).vectorLoad(4, nan, { bits: DEFAULT_NAN });
    this.#code.blend(4, register, mask, nan, register);
  }

  /** Runs the body for all turns; afterwards pointers are where they were. */
  #turns(depth: number, body: () => void): void {
    const { turns } = this.#run;
    const turn = turns[depth];
    if (!turn) return body();
    const code = this.#code;
    const innermost = depth === turns.length - 1;
    if (innermost) code.constant(COUNTER, turn.count).align(32);
    else code.storeConstant(counterOf(depth), turn.count);
    const start = code.here();
    this.#turns(depth + 1, body);
    for (const [pointer, bytes] of turn.moves) code.intConstant("add", this.#pointers.get(pointer)!, bytes, true);
    code.intConstant("sub", innermost ? COUNTER : counterOf(depth), 1).jumpIf(IF.notZero, start);
    for (const [pointer, bytes] of turn.moves) code.intConstant("add", this.#pointers.get(pointer)!, -bytes * turn.count, true);
  }

  /** Goes along the run by so many vectors at a time as long as there are as many left, then by four elements, then one by one. */
  #sweep(sizes: readonly (readonly [width: Width, vectors: number])[], body: (position: Position, vectors: number) => void): void {
    const code = this.#code;
    const { count, across } = this.#run;
    const all: (readonly [width: Width, vectors: number])[] = [...sizes, [4, 1], [1, 1]];
    if (typeof count === "number") {
      let first = 0;
      for (const [width, vectors] of all) {
        const step = width * vectors;
        const times = Math.floor((count - first) / step);
        if (times * vectors <= WRITTEN_OUT || times === 1) {
          for (let i = 0; i < times; i++) body({ width, first: first + i * step, indexed: false }, vectors);
        } else {
          code.int("xor", INDEX, INDEX).align(32);
          const start = code.here();
          body({ width, first, indexed: true }, vectors);
          code.intConstant("add", INDEX, step);
          code.intConstant("cmp", INDEX, step * times).jumpIf(IF.notZero, start);
        }
        first += times * step;
      }
      return;
    }
    invariant(!across, "a run that is combined has a length that is known");
    code.int("xor", INDEX, INDEX);
    for (const [width, vectors] of all) {
      if (width < count.multiple) continue;
      const step = width * vectors;
      const next = code.label();
      code.intConstant("sub", LEFT, step).jumpIf(IF.less, next).align(32);
      const start = code.here();
      body({ width, first: 0, indexed: true }, vectors);
      code.intConstant("add", INDEX, step);
      code.intConstant("sub", LEFT, step).jumpIf(IF.notLess, start);
      code.bind(next).intConstant("add", LEFT, step);
    }
  }
}

function forEachValue(value: ElementValue, visit: (value: ElementValue) => void, seen = new Set<ElementValue>()): void {
  if (seen.has(value)) return;
  seen.add(value);
  visit(value);
  if (value.kind === "op") for (const arg of value.args) forEachValue(arg, visit, seen);
}
