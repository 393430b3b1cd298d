/** @file What a plan is written in: routines of a few kinds of steps, as plain data. A plan says everything about how a kernel is computed: tasks,
 * loops and their order, tiles, what stays in registers, what goes through scratch memory. Emitters only spell it in some instruction set, so that
 * all of them do the same operations on the same numbers in the same order. Values are unsigned 32-bit integers; addresses are in bytes. */
import type { TileStrides } from "../../ir/kernel.ts";
import type { LinearMap } from "../../ir/linear-map.ts";
import type { LaneGroup } from "./lanes.ts";

export interface Variable {
  readonly name: string;
  /** Holds four floats instead of an integer. */
  readonly vector?: true;
}

export const BINARY = ["add", "sub", "mul", "div", "rem", "shl", "or", "eq", "lt", "below", "reaches"] as const;
/** `lt` compares signed numbers, `below` (<) and `reaches` (>=) unsigned ones. */
export type Binary = (typeof BINARY)[number];

export type Value =
  | number
  | Variable
  | { readonly op: Binary | "min"; readonly args: readonly [Value, Value] }
  | { readonly op: "isZero"; readonly args: readonly [Value] }
  /** Sets the variable, too. */
  | { readonly op: "let"; readonly variable: Variable; readonly args: readonly [Value] }
  /** The address of the thread's scratch memory. */
  | { readonly op: "scratch" }
  /** The integer at an address. */
  | { readonly op: "word"; readonly args: readonly [Value] };

/** A few rows of scalars times a few vectors, whose products are summed in registers. */
export interface RegisterTile {
  /** Byte offset of each row's scalar from the scalar pointer. */
  readonly scalars: readonly number[];
  /** Which channels the tile covers, in vectors. */
  readonly lanes: readonly LaneGroup[];
}

/** One loop of a sum: how often (at least once), and how many bytes it moves the scalar and the vector pointer. */
export interface ReductionLoop {
  readonly count: number | Variable;
  readonly scalarStep: number;
  readonly vectorStep: number;
}

/** Square tiles, transformed from both sides. */
export interface TileTransform {
  readonly map: LinearMap;
  readonly input: Pick<TileStrides, "row" | "column">;
  readonly output: Pick<TileStrides, "row" | "column">;
  /** Of four channels each; what is transformed at a time. */
  readonly vectors: number;
  /** Where the map's inputs and inner sums are kept, `vectors` variables for each. */
  readonly operands: readonly Variable[];
}

/** Operations on elements of 32 bits; comparisons give all ones or zero. `lesser` and `greater` give the second operand unless the first one is less
 * or greater: with NaN and with equal ones, too. `andNot` is what the second has and the first
 * has not. `greaterInt` compares, `largerInt` and `smallerInt` choose. */
const ELEMENT_OPS = {
  float: ["add", "sub", "mul", "div", "sqrt", "floor", "lesser", "greater", "eq", "lt", "le"],
  bits: ["and", "andNot", "or", "xor", "shiftLeft", "shiftRight", "select"],
  int: ["addInt", "subInt", "mulInt", "eqInt", "greaterInt", "largerInt", "smallerInt", "toFloat"],
  /** What is so many bytes from a place. */
  memory: ["gather"],
} as const;
export type ElementOp = (typeof ELEMENT_OPS)[keyof typeof ELEMENT_OPS][number];

/** So many bytes from where a variable points. `narrow` elements are bytes there, and numbers from 0 to 255. */
export interface ElementPlace {
  readonly pointer: Variable;
  readonly offset: number;
  readonly narrow?: boolean;
}

/** A number for each element of a run; equal objects are computed once. */
export type ElementValue =
  | { readonly kind: "bits"; readonly bits: number }
  /** What is at a place: the next elements' are next to it (`along`), or it is the same for all of them. */
  | ({ readonly kind: "load"; readonly along: boolean } & ElementPlace)
  /** `from`: the place of a `gather`, whose operand is in bytes. */
  | { readonly kind: "op"; readonly op: ElementOp; readonly args: readonly ElementValue[]; readonly from?: ElementPlace };

/** Where a value goes. */
export interface ElementResult {
  readonly pointer: Variable;
  readonly offset: number;
  readonly value: ElementValue;
  /** How it is combined with those of the other turns, and what it starts from. */
  readonly combine?: { readonly op: "add" | "addInt" | "largerInt"; readonly start: number };
}

/** Elements next to each other. Without turns each result is stored; with turns it is combined over all of them, and then stored. */
export interface ElementRun {
  /** How many; where that is in a variable, what it is a multiple of. */
  readonly count: number | { readonly variable: Variable; readonly multiple: number };
  /** Loops around, outermost first: how often, and how many bytes pointers move each time. */
  readonly turns: readonly { readonly count: number; readonly moves: readonly (readonly [pointer: Variable, bytes: number])[] }[];
  /** The elements themselves are combined, too: in four sums of every fourth one and one of what is left over, which are added up in the end. */
  readonly across: boolean;
  readonly results: readonly ElementResult[];
}

/** Products of neighbouring elements at two places, summed over rows: each pair of a window and a gradient has four sums, of every fourth element. */
export interface Dots {
  /** Addresses of the first elements, and of the sums in memory. */
  readonly window: Variable;
  readonly gradient: Variable;
  readonly sums: Variable;
  /** Byte offsets of the windows and gradients from the addresses. */
  readonly windows: readonly number[];
  readonly gradients: readonly number[];
  readonly rows: number;
  /** Of four elements each. */
  readonly vectorsPerRow: number;
  /** Bytes from the end of a window's row to its next one; a gradient's rows follow each other. */
  readonly gap: number;
  /** Byte offset of a pair's sum in memory. */
  readonly place: readonly (readonly number[])[];
}

/** Random words of runs of eight counters, from the one in `counter` on, under the key and the stream at two addresses. */
export interface Philox {
  readonly key: Variable;
  readonly stream: Variable;
  readonly target: Variable;
  readonly counter: Variable;
  readonly blocks: Variable;
}

export type Step =
  /** New variables. */
  | { readonly kind: "variables"; readonly variables: readonly Variable[] }
  | { readonly kind: "set"; readonly variable: Variable; readonly value: Value }
  /** Runs the body once, and again as long as the condition holds after it. */
  | { readonly kind: "repeat"; readonly body: readonly Step[]; readonly again: Value }
  | { readonly kind: "if"; readonly condition: Value; readonly body: readonly Step[]; readonly otherwise: readonly Step[] }
  | { readonly kind: "call"; readonly routine: Routine; readonly args: readonly Value[] }
  /** Reads a word, so that its line is fetched. */
  | { readonly kind: "touch"; readonly address: Value }
  /** Zeroes a tile's accumulators, then runs the loops, outermost first, from the two addresses: accumulator[row][lane] += scalar[row] · vector[lane]. */
  | {
      readonly kind: "accumulate";
      readonly tile: RegisterTile;
      readonly scalar: Variable;
      readonly vector: Variable;
      readonly loops: readonly ReductionLoop[];
      /** So many bytes after each vector lies one that will be wanted soon, for machines that can fetch it beforehand; 0 for none. */
      readonly ahead: number;
    }
  /** The sums of several `accumulate`: zeroed, added to, and at last put where the accumulators are. */
  | { readonly kind: "totals"; readonly what: "zero" | "add" | "take"; readonly tile: RegisterTile }
  /** Accumulators to memory, or what is there added to them; the rows are so many bytes from the address. */
  | { readonly kind: "store" | "addStored"; readonly tile: RegisterTile; readonly address: Variable; readonly rowOffsets: readonly number[] }
  /** Writes zeros. */
  | { readonly kind: "clear"; readonly address: Variable; readonly words: number }
  /** Adds the four sums of each pair, in order, and the result to what is at its place. */
  | { readonly kind: "dots"; readonly dots: Dots }
  /** These two only for machines whose loops are planned as routines. */
  | { readonly kind: "elements"; readonly run: ElementRun }
  | { readonly kind: "philox"; readonly philox: Philox }
  /** What the columns give goes through memory at `between`. */
  | { readonly kind: "transform"; readonly transform: TileTransform; readonly source: Variable; readonly target: Variable; readonly between: Variable };

export interface Routine {
  readonly name: string;
  readonly parameters: readonly Variable[];
  readonly body: readonly Step[];
}

/** How a kernel is computed. Its tasks are independent, may run in any order and on any thread, and together write every element. */
export interface Plan {
  readonly tasks: number;
  /** In the order in which they call each other: each only some before it. Parameters of the last one, the entry, are the task and the buffers. */
  readonly routines: readonly Routine[];
  /** Bytes of scratch memory of each thread's own. */
  readonly scratchBytes: number;
}

export const variable = (name: string): Variable => ({ name });

const binary =
  (op: Binary | "min") =>
  (first: Value, ...others: readonly Value[]): Value =>
    others.reduce((left, right) => ({ op, args: [left, right] }), first);

export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const div = binary("div");
export const rem = binary("rem");
export const shl = binary("shl");
export const or = binary("or");
export const eq = binary("eq");
export const lt = binary("lt");
export const below = binary("below");
export const reaches = binary("reaches");
/** Of signed numbers. */
export const min = binary("min");
export const isZero = (value: Value): Value => ({ op: "isZero", args: [value] });
export const letBe = (name: Variable, value: Value): Value => ({ op: "let", variable: name, args: [value] });
export const SCRATCH_ADDRESS: Value = { op: "scratch" };
export const wordAt = (address: Value): Value => ({ op: "word", args: [address] });

/** Steps in the order in which they are done. Methods append and return the list. */
export class Steps {
  readonly list: Step[] = [];

  #push(step: Step): this {
    this.list.push(step);
    return this;
  }

  /** New variables, named so. */
  variables<Names extends readonly string[]>(...names: Names): { [K in keyof Names]: Variable } {
    const variables = names.map(variable);
    this.declare(...variables);
    return variables as { [K in keyof Names]: Variable };
  }

  declare(...variables: readonly Variable[]): this {
    return this.#push({ kind: "variables", variables });
  }

  set(name: Variable, value: Value): this {
    return this.#push({ kind: "set", variable: name, value });
  }

  repeat(body: (steps: Steps) => void, again: Value): this {
    return this.#push({ kind: "repeat", body: stepsOf(body), again });
  }

  /** Runs the body for index = 0, 1 … below `count`, which is at least 1. */
  count(index: Variable, count: number, body: (steps: Steps) => void): this {
    return this.set(index, 0).repeat(body, lt(letBe(index, add(index, 1)), count));
  }

  /** Runs the body for index going over part number `part` of 0 … total - 1, cut into parts of `size`. */
  range(index: Variable, end: Variable, part: Value, size: number, total: number, body: (steps: Steps) => void): this {
    this.set(end, add(letBe(index, mul(part, size)), size));
    if (total % size !== 0) this.set(end, min(end, total));
    return this.repeat(body, lt(letBe(index, add(index, 1)), end));
  }

  if(condition: Value, body: (steps: Steps) => void, otherwise: (steps: Steps) => void = () => {}): this {
    return this.#push({ kind: "if", condition, body: stepsOf(body), otherwise: stepsOf(otherwise) });
  }

  call(routine: Routine, ...args: readonly Value[]): this {
    return this.#push({ kind: "call", routine, args });
  }

  touch(address: Value): this {
    return this.#push({ kind: "touch", address });
  }

  accumulate(tile: RegisterTile, scalar: Variable, vector: Variable, loops: readonly ReductionLoop[], ahead = 0): this {
    return this.#push({ kind: "accumulate", tile, scalar, vector, loops, ahead });
  }

  totals(what: "zero" | "add" | "take", tile: RegisterTile): this {
    return this.#push({ kind: "totals", what, tile });
  }

  store(tile: RegisterTile, address: Variable, rowOffsets: readonly number[]): this {
    return this.#push({ kind: "store", tile, address, rowOffsets });
  }

  addStored(tile: RegisterTile, address: Variable, rowOffsets: readonly number[]): this {
    return this.#push({ kind: "addStored", tile, address, rowOffsets });
  }

  clear(address: Variable, words: number): this {
    return this.#push({ kind: "clear", address, words });
  }

  dots(dots: Dots): this {
    return this.#push({ kind: "dots", dots });
  }

  elements(run: ElementRun): this {
    return this.#push({ kind: "elements", run });
  }

  philox(philox: Philox): this {
    return this.#push({ kind: "philox", philox });
  }

  transform(transform: TileTransform, source: Variable, target: Variable, between: Variable): this {
    return this.#push({ kind: "transform", transform, source, target, between });
  }
}

function stepsOf(build: (steps: Steps) => void): readonly Step[] {
  const steps = new Steps();
  build(steps);
  return steps.list;
}
