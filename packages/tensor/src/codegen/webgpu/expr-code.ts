/** @file Expressions as WGSL statements: each value is computed once per scope and named. In wide form four neighbours of the innermost
 * loop are computed together; what does not vary along it stays one element. */
import { BYTES, type DType } from "../../base/dtype.ts";
import { isAligned } from "../../ir/groups.ts";
import type { Affine, Expr, Guard } from "../../ir/scalar.ts";
import { type Memory, REGISTER } from "./memory.ts";
import { INSTRUCTION } from "./scalar-code.ts";

/** A value's text and whether it is four elements. */
interface Named {
  readonly text: string;
  readonly wide: boolean;
}

export class ExprWriter {
  readonly #memory: Memory;
  readonly #indices: readonly string[];
  /** The loop along which wide values run; null: every value is one element. */
  readonly #wideLoop: number | null;
  readonly #prefix: string;
  #memo = new Map<Expr, Named>();
  #lines: string[] = [];
  #count = 0;

  constructor(memory: Memory, indices: readonly string[], wideLoop: number | null, prefix = "v") {
    this.#memory = memory;
    this.#indices = indices;
    this.#wideLoop = wideLoop;
    this.#prefix = prefix;
  }

  /** The statements written since the last call. */
  takeLines(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** The text of a value; four elements in wide form. */
  value(expr: Expr): string {
    const named = this.#name(expr);
    return this.#wideLoop !== null ? this.#widened(named, expr.dtype) : named.text;
  }

  /** An affine function at the current indices (the first of four in wide form), as i32. */
  affine({ offset, strides }: Affine): string {
    const terms = strides.flatMap((stride, loop) => (stride === 0 ? [] : [stride === 1 ? this.#indices[loop]! : `${this.#indices[loop]} * ${stride}`]));
    if (offset !== 0 || terms.length === 0) terms.push(String(offset));
    return terms.length === 1 ? terms[0]! : `(${terms.join(" + ")})`;
  }

  #let(text: string, wide: boolean): Named {
    const name = `${this.#prefix}${this.#count++}`;
    this.#lines.push(`let ${name} = ${text};`);
    return { text: name, wide };
  }

  #widened({ text, wide }: Named, dtype: DType): string {
    return wide ? text : `vec4<${REGISTER[dtype]}>(${text})`;
  }

  #name(expr: Expr): Named {
    if (expr.kind === "const") return { text: literal(expr.dtype, expr.value), wide: false };
    const known = this.#memo.get(expr);
    if (known) return known;
    const named = this.#compute(expr);
    this.#memo.set(expr, named);
    return named;
  }

  #stride(at: Affine): number {
    return this.#wideLoop === null ? 0 : at.strides[this.#wideLoop]!;
  }

  #compute(expr: Exclude<Expr, { kind: "const" }>): Named {
    switch (expr.kind) {
      case "index": {
        const stride = this.#stride(expr.at);
        const base = this.affine(expr.at);
        return stride === 0 ? this.#let(base, false) : this.#let(`vec4<i32>(${base}) + vec4<i32>(0, ${stride}, ${2 * stride}, ${3 * stride})`, true);
      }
      case "load": {
        const stride = this.#stride(expr.at);
        const at = this.#let(this.affine(expr.at), false).text;
        if (stride === 0) return this.#let(this.#memory.load(expr.buffer, expr.dtype, at), false);
        const aligned = stride === 1 && isAligned(expr.at, this.#wideLoop!);
        return this.#let(aligned ? this.#memory.load4(expr.buffer, expr.dtype, at) : this.#memory.loadEach(expr.buffer, expr.dtype, at, stride), true);
      }
      case "gather":
        return this.#gather(expr);
      case "guard":
        return this.#guard(expr);
      case "op": {
        const args = expr.args.map((arg) => this.#name(arg));
        const wide = args.some((arg) => arg.wide);
        // An instruction on literals alone would be evaluated by the shader compiler, which rejects overflow.
        const literals = expr.args.every((arg) => arg.kind === "const");
        const texts = args.map((arg, i) => (wide ? this.#widened(arg, expr.args[i]!.dtype) : literals ? this.#let(arg.text, false).text : arg.text));
        const operand = expr.args[expr.op === "select" ? 1 : 0]!.dtype;
        return this.#let(INSTRUCTION[expr.op](texts, operand, wide), wide);
      }
    }
  }

  #gather(expr: Expr & { kind: "gather" }): Named {
    const terms = expr.terms.map(({ index, stride, extent }) => ({ named: this.#name(index), stride, extent }));
    const step = this.#stride(expr.at);
    const wide = step !== 0 || terms.some(({ named }) => named.wide);
    const base = this.affine(expr.at);
    if (!wide) {
      const parts = terms.map(({ named, stride, extent }) => `clamp(${named.text}, 0, ${extent - 1}) * ${stride}`);
      const at = this.#let([base, ...parts].join(" + "), false).text;
      return this.#let(this.#memory.load(expr.buffer, expr.dtype, at), false);
    }
    const parts = terms.map(({ named, stride, extent }) => `clamp(${this.#widened(named, "int32")}, vec4<i32>(0), vec4<i32>(${extent - 1})) * ${stride}`);
    const at = this.#let([`vec4<i32>(${base}) + vec4<i32>(0, ${step}, ${2 * step}, ${3 * step})`, ...parts].join(" + "), true).text;
    const elements = [0, 1, 2, 3].map((lane) => this.#memory.load(expr.buffer, expr.dtype, `${at}[${lane}]`));
    return this.#let(`vec4<${REGISTER[expr.dtype]}>(${elements.join(", ")})`, true);
  }

  #guard(expr: Expr & { kind: "guard" }): Named {
    const holds = expr.guards.map((guard) => this.#holds(guard)).join(" && ") || "true";
    const outer = { memo: this.#memo, lines: this.#lines };
    this.#memo = new Map(outer.memo);
    this.#lines = [];
    const inside = this.#name(expr.inside);
    const body = this.#lines;
    this.#memo = outer.memo;
    this.#lines = outer.lines;
    const name = `${this.#prefix}${this.#count++}`;
    const type = REGISTER[expr.dtype];
    const fill = literal(expr.dtype, expr.fill);
    this.#lines.push(
      inside.wide ? `var ${name} = vec4<${type}>(${fill});` : `var ${name} = ${fill};`,
      `if (${holds}) {`,
      ...body,
      `${name} = ${inside.text};`,
      "}",
    );
    return { text: name, wide: inside.wide };
  }

  #holds(guard: Guard): string {
    if (guard.strides.every((stride) => stride === 0)) return String(guard.offset >= 0 && guard.offset < guard.extent);
    // Negative numbers are large as unsigned ones.
    return `(u32(${this.affine(guard)}) < ${guard.extent}u)`;
  }
}

/** A constant in a register. */
export function literal(dtype: DType, value: number): string {
  if (dtype === "bool") return value ? "true" : "false";
  if (dtype !== "float32") return `i32(${value})`;
  const rounded = Math.fround(value);
  const plain = Number.isFinite(rounded) && !Object.is(rounded, -0) && (rounded === 0 || Math.abs(rounded) >= 2 ** -126);
  if (plain) return `f32(${rounded})`;
  return `from_bits(0x${new Uint32Array(new Float32Array([value]).buffer)[0]!.toString(16)}u)`;
}

/** Bytes of a group of four elements fill a word, whatever the type. */
export const isByte = (dtype: DType): boolean => BYTES[dtype] === 1;
