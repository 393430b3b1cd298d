/** @file Expressions of loop kernels as values of elements: what all of them is done on 32 bits and along an unbroken run of memory. */
import type { Combine, LoopOutput } from "../../ir/kernel.ts";
import type { Affine, Expr } from "../../ir/scalar.ts";
import { type ElementOp, type ElementResult, type ElementValue, type Variable, variable } from "./language.ts";

const SIGN = -0x80000000;
const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;
const bits = (value: number): ElementValue => ({ kind: "bits", bits: value });
const apply = (op: ElementOp, ...args: readonly ElementValue[]): ElementValue => ({ kind: "op", op, args });

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
  readonly #inner: number;
  readonly #known = new Map<Expr, ElementValue>();
  readonly #loads = new Map<string, ElementValue>();

  constructor(inner: number) {
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

  #place(buffer: number, at: Affine): { readonly pointer: Variable; readonly offset: number } {
    const steps = at.strides.map((stride) => 4 * stride);
    const key = steps.join();
    let stream = this.streams.find((other) => other.buffer === buffer && other.steps.join() === key);
    if (!stream) {
      stream = { pointer: variable(`at${this.streams.length}`), buffer, steps };
      this.streams.push(stream);
    }
    return { pointer: stream.pointer, offset: 4 * at.offset };
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
        return bits(expr.dtype === "float32" ? bitsOf(expr.value) : expr.dtype === "bool" ? -expr.value : expr.value);
      case "load": {
        const step = expr.at.strides[this.#inner]!;
        if ((expr.dtype !== "float32" && expr.dtype !== "int32") || (step !== 0 && step !== 1)) throw new NoForm();
        const { pointer, offset } = this.#place(expr.buffer, expr.at);
        const key = `${pointer.name} ${offset}`;
        const load: ElementValue = this.#loads.get(key) ?? { kind: "load", pointer, offset, along: step === 1 };
        this.#loads.set(key, load);
        return load;
      }
      case "op":
        return this.#operation(expr);
      default:
        throw new NoForm();
    }
  }

  #operation({ op, dtype, args }: Expr & { kind: "op" }): ElementValue {
    const operand = args[op === "select" ? 1 : 0]!.dtype;
    if (operand === "uint8" || dtype === "uint8") throw new NoForm();
    const float = operand === "float32";
    const amount = args[1];
    const [a, b, c] = args.map((arg) => this.#value(arg));
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
        return apply(op, a!, b!, c!);
      case "bitsToFloat":
      case "floatToBits":
        return a!;
      case "not":
        return apply("xor", a!, bits(-1));
      case "shiftLeft":
      case "shiftRight":
        if (amount?.kind !== "const") throw new NoForm();
        return apply(op, a!, bits(amount.value & 31));
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

function combining(combine: Combine, value: Expr): NonNullable<ElementResult["combine"]> {
  if (combine === "sum") return { op: value.dtype === "float32" ? "add" : "addInt", start: 0 };
  // Floats without a sign are ordered like integers.
  const magnitude = value.kind === "op" && value.op === "abs" && value.dtype === "float32";
  if (combine !== "max" || !magnitude) throw new NoForm();
  return { op: "largerInt", start: bitsOf(-Infinity) };
}
