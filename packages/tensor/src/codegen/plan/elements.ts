/** @file Expressions of loop kernels as values of elements: what all of them is done on 32 bits and along an unbroken run of memory. */
import type { Combine, LoopOutput } from "../../ir/kernel.ts";
import type { Affine, Expr } from "../../ir/scalar.ts";
import { type ElementOp, type ElementPlace, type ElementResult, type ElementValue, type Variable, variable } from "./language.ts";

const SIGN = -0x80000000;
const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;

const floatOf = (bits: number): number => new Float32Array(Int32Array.of(bits).buffer)[0]!;

/** A walk through a buffer, with the strides of each loop in bytes. */
export interface Stream {
  readonly pointer: Variable;
  readonly buffer: number;
  readonly steps: readonly number[];
}

/** Thrown, and caught here, where an expression has no form as elements. */
class NoForm extends Error {}

/** Results as elements along one loop. Places that differ by a constant share a pointer. */
export class Elements {
  readonly streams: Stream[] = [];
  /** Whether places are computed: where elements are combined, emitters have no register left for that. */
  gathers = false;
  readonly #extents: readonly number[];
  readonly #inner: number;
  readonly #known = new Map<Expr, ElementValue>();
  /** Every value there is, by what it is made of, and its number. */
  readonly #values = new Map<string, ElementValue>();
  readonly #numbers = new Map<ElementValue, number>();

  constructor(extents: readonly number[], inner: number) {
    this.#extents = extents;
    this.#inner = inner;
  }

  /** An output with the value computed for it; null where it has no form as elements. */
  result({ buffer, at, dtype }: LoopOutput, value: Expr, combine?: Combine): ElementResult | null {
    try {
      if (dtype !== "float32" && dtype !== "int32") return null;
      const how = combine && combining(combine, value);
      return { ...this.#place(buffer, at), value: this.#value(value), ...(how ? { combine: how } : {}) };
    } catch (error) {
      if (error instanceof NoForm) return null;
      throw error;
    }
  }

  #place(buffer: number, at: Affine, narrow = false): ElementPlace {
    const bytes = narrow ? 1 : 4;
    const steps = at.strides.map((stride) => bytes * stride);
    const key = steps.join();
    let stream = this.streams.find((other) => other.buffer === buffer && other.steps.join() === key);
    if (!stream) {
      stream = { pointer: variable(`at${this.streams.length}`), buffer, steps };
      this.streams.push(stream);
    }
    return { pointer: stream.pointer, offset: bytes * at.offset, ...(narrow ? { narrow } : {}) };
  }

  /** The one value that is made like this. Equal values of a kernel are computed once: machine code joins no operations. */
  #intern(value: ElementValue): ElementValue {
    const key = this.#keyOf(value);
    const known = this.#values.get(key);
    if (known) return known;
    this.#values.set(key, value);
    this.#numbers.set(value, this.#numbers.size);
    return value;
  }

  #keyOf(value: ElementValue): string {
    if (value.kind === "bits") return `bits ${value.bits}`;
    if (value.kind === "load") return `${placeKey(value)} ${value.along}`;
    let key = value.op as string;
    for (const arg of value.args) key += ` ${this.#numbers.get(arg)}`;
    return value.from ? `${key} ${placeKey(value.from)}` : key;
  }

  #bits(value: number): ElementValue {
    return this.#intern({ kind: "bits", bits: value });
  }

  #apply(op: ElementOp, ...args: readonly ElementValue[]): ElementValue {
    return this.#intern({ kind: "op", op, args });
  }

  #value(expr: Expr): ElementValue {
    const known = this.#known.get(expr);
    if (known) return known;
    const value = this.#compute(expr);
    this.#known.set(expr, value);
    return value;
  }

  #compute(expr: Expr): ElementValue {
    switch (expr.kind) {
      case "const":
        return this.#bits(expr.dtype === "float32" ? bitsOf(expr.value) : expr.dtype === "bool" ? -expr.value : expr.value);
      case "load": {
        const step = expr.at.strides[this.#inner]!;
        if (step !== 0 && step !== 1) throw new NoForm();
        return this.#flagged(expr, this.#intern({ kind: "load", along: step === 1, ...this.#place(expr.buffer, expr.at, isNarrow(expr)) }));
      }
      case "gather":
        return this.#flagged(expr, this.#gather(expr));
      case "op":
        return this.#operation(expr);
      default:
        throw new NoForm();
    }
  }

  /** Flags are bytes in memory, and masks here. */
  #flagged({ dtype }: Expr, read: ElementValue): ElementValue {
    return dtype === "bool" ? this.#apply("greaterInt", read, this.#bits(0)) : read;
  }

  #gather(expr: Expr & { kind: "gather" }): ElementValue {
    const bytes = isNarrow(expr) ? 1 : 4;
    let at = expr.at;
    let sum: ElementValue | undefined;
    for (const { index, stride, extent } of expr.terms) {
      if (index.kind === "index" && this.#isWithin(index.at, extent)) {
        const { offset, strides } = index.at;
        at = { offset: at.offset + stride * offset, strides: at.strides.map((own, loop) => own + stride * strides[loop]!) };
        continue;
      }
      if (stride * (extent - 1) * bytes >= 2 ** 30) throw new NoForm();
      const clipped = this.#apply("smallerInt", this.#apply("largerInt", this.#value(index), this.#bits(0)), this.#bits(extent - 1));
      const term = stride * bytes === 1 ? clipped : this.#apply("mulInt", clipped, this.#bits(stride * bytes));
      sum = sum ? this.#apply("addInt", sum, term) : term;
    }
    if (!sum || at.strides[this.#inner] !== 0) throw new NoForm();
    this.gathers = true;
    return this.#intern({ kind: "op", op: "gather", args: [sum], from: this.#place(expr.buffer, at, isNarrow(expr)) });
  }

  /** Whether an index is from 0 to below an extent wherever the loops are. */
  #isWithin({ offset, strides }: Affine, extent: number): boolean {
    const reach = (sign: number): number => strides.reduce((sum, stride, loop) => sum + Math.max(0, sign * stride) * (this.#extents[loop]! - 1), 0);
    return offset - reach(-1) >= 0 && offset + reach(1) < extent;
  }

  /** What a mask selects. A choice takes a processor two or three operations; where one will do, that is it. */
  #select(mask: ElementValue, then: ElementValue, otherwise: ElementValue): ElementValue {
    if (mask.kind === "op" && mask.op === "lt") {
      const [left, right] = mask.args;
      if (then === left && otherwise === right) return this.#apply("lesser", then, otherwise);
      if (then === right && (otherwise === left || isClip(left!, then, otherwise))) return this.#apply("greater", then, otherwise);
    }
    if (otherwise === this.#bits(0)) return this.#apply("and", mask, then);
    if (then === this.#bits(0)) return this.#apply("andNot", mask, otherwise);
    return this.#apply("select", mask, then, otherwise);
  }

  #operation({ op, dtype, args }: Expr & { kind: "op" }): ElementValue {
    const operand = args[op === "select" ? 1 : 0]!.dtype;
    if (dtype === "uint8" || (operand === "uint8" && op !== "toFloat" && op !== "toInt")) throw new NoForm();
    const float = operand === "float32";
    const amount = args[1];
    const [a, b, c] = args.map((arg) => this.#value(arg));
    const apply = (name: ElementOp, ...values: readonly ElementValue[]): ElementValue => this.#apply(name, ...values);
    const bits = (value: number): ElementValue => this.#bits(value);
    switch (op) {
      case "add":
      case "sub":
        return apply(float ? op : `${op}Int`, a!, b!);
      case "eq":
        return apply(float ? op : "eqInt", a!, b!);
      case "lt":
        return float ? apply(op, a!, b!) : apply("greaterInt", b!, a!);
      case "and":
      case "or":
      case "xor":
        return apply(op, a!, b!);
      case "select":
        return this.#select(a!, b!, c!);
      case "bitsToFloat":
      case "floatToBits":
        return a!;
      case "not":
        return apply("xor", a!, bits(-1));
      case "shiftLeft":
      case "shiftRight":
        if (amount?.kind !== "const") throw new NoForm();
        return apply(op, a!, bits(amount.value & 31));
      case "toInt":
        if (operand === "uint8") return a!;
        throw new NoForm();
      case "toFloat":
        return float ? a! : operand === "bool" ? apply("and", a!, bits(bitsOf(1))) : apply("toFloat", a!);
    }
    if (!float) throw new NoForm();
    switch (op) {
      case "mul":
      case "div":
      case "le":
        return apply(op, a!, b!);
      case "sqrt":
      case "floor":
        return apply(op, a!);
      case "neg":
        return apply("xor", a!, bits(SIGN));
      case "abs":
        return apply("and", a!, bits(~SIGN));
      case "min":
      case "max": {
        // With a constant other than zero or NaN the choice by one comparison differs in nothing.
        const other = args[1]!;
        if (other.kind !== "const" || other.value === 0 || Number.isNaN(other.value)) throw new NoForm();
        return apply(op === "min" ? "lesser" : "greater", b!, a!);
      }
      default:
        throw new NoForm();
    }
  }
}

/** Whether what is taken where x is not below a low constant is x, but at most a high one. */
function isClip(x: ElementValue, low: ElementValue, otherwise: ElementValue): boolean {
  if (otherwise.kind !== "op" || otherwise.op !== "lesser") return false;
  const [high, same] = otherwise.args;
  return x === same && low.kind === "bits" && high?.kind === "bits" && floatOf(low.bits) <= floatOf(high.bits);
}

const placeKey = ({ pointer, offset, narrow }: ElementPlace): string => `${pointer.name} ${offset} ${narrow ?? false}`;

const isNarrow = ({ dtype }: Expr): boolean => dtype === "uint8" || dtype === "bool";

function combining(combine: Combine, value: Expr): NonNullable<ElementResult["combine"]> {
  if (combine === "sum") return { op: value.dtype === "float32" ? "add" : "addInt", start: 0 };
  // Floats without a sign are ordered like integers.
  const magnitude = value.kind === "op" && value.op === "abs" && value.dtype === "float32";
  if (combine !== "max" || !magnitude) throw new NoForm();
  return { op: "largerInt", start: bitsOf(-Infinity) };
}
