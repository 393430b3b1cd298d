/** @file Addresses inside a loop nest: what does not change along the innermost loop is computed before it. */
import { BYTES, type DType } from "../../base/dtype.ts";
import type { Affine, Expr, GatherTerm, Guard } from "../../ir/scalar.ts";
import { structuralKey } from "../../ir/structure.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { I32, OP } from "./opcodes.ts";

/** Where emitters find loop indices and buffer addresses. */
export interface LoopScope {
  readonly f: FunctionBuilder;
  /** Local of each loop's index; the innermost loop's index advances by 4 in lane form. */
  readonly indices: readonly number[];
  /** Local of each buffer's byte address. */
  readonly buffers: readonly number[];
  /** The innermost loop in execution order. */
  readonly inner: number;
  /** Whether relaxed SIMD may be used. */
  readonly relaxed: boolean;
}

/** An address that is computed before the loop. */
interface Base {
  readonly local: number;
  readonly buffer: number;
  readonly at: Affine;
  readonly bytes: number;
  /** The part of a gather's address that is itself computed. */
  readonly terms: readonly GatherTerm[];
}

/** Pushes affine functions of the loop indices, and addresses made of them. */
export class Addresses {
  readonly #scope: LoopScope;
  readonly #bases = new Map<string, Base>();
  readonly #numbers = new Map<object, number>();

  constructor(scope: LoopScope) {
    this.#scope = scope;
  }

  /** Pushes the function's value at the current indices, `scale` times. */
  pushAffine({ offset, strides }: Affine, scale: number): void {
    const { f, indices } = this.#scope;
    f.i32(offset * scale);
    strides.forEach((stride, loop) => {
      if (stride === 0) return;
      this.#pushScaled(indices[loop]!, stride * scale);
      f.op(OP.i32_add);
    });
  }

  /** Pushes 1 if every guard holds at the current indices, else 0. */
  pushGuards(guards: readonly Guard[]): void {
    const { f } = this.#scope;
    guards.forEach((guard, i) => {
      this.pushAffine(guard, 1);
      // Negative numbers are large as unsigned ones.
      f.i32(guard.extent).op(OP.i32_lt_u);
      if (i > 0) f.op(OP.i32_and);
    });
  }

  /** Pushes an element's address, all of it computed here. */
  pushAll(buffer: number, at: Affine, dtype: DType): void {
    const { f, buffers } = this.#scope;
    f.get(buffers[buffer]!);
    this.pushAffine(at, BYTES[dtype]);
    f.op(OP.i32_add);
  }

  /** Pushes the address of an element of the innermost loop: what does not vary, put off to {@link emitBases}, plus index · stride. */
  push(buffer: number, at: Affine, dtype: DType, terms: readonly GatherTerm[] = []): void {
    const { f, inner, indices } = this.#scope;
    const bytes = BYTES[dtype];
    const place = `${buffer} ${bytes} ${at.offset} ${at.strides.join()}`;
    const key = terms.length === 0 ? place : place + structuralKey(terms, (object) => ("kind" in object ? this.#numberOf(object) : undefined));
    let base = this.#bases.get(key);
    if (!base) {
      base = { local: f.local(I32), buffer, at, bytes, terms };
      this.#bases.set(key, base);
    }
    f.get(base.local);
    const stride = at.strides[inner]! * bytes;
    if (stride === 0) return;
    this.#pushScaled(indices[inner]!, stride);
    f.op(OP.i32_add);
  }

  /** Emits what `push` has put off, to stand before the loop. */
  emitBases(pushIndex: (index: Expr) => void = () => {}): void {
    const { f, inner, buffers } = this.#scope;
    for (const { local, buffer, at, bytes, terms } of this.#bases.values()) {
      const outer = { offset: at.offset, strides: at.strides.map((stride, loop) => (loop === inner ? 0 : stride)) };
      f.get(buffers[buffer]!);
      this.pushAffine(outer, bytes);
      f.op(OP.i32_add);
      this.addTerms(terms, bytes, pushIndex);
      f.set(local);
    }
  }

  /** Adds Σ clipped index · stride to the address on the stack. */
  addTerms(terms: readonly GatherTerm[], bytes: number, push: (index: Expr) => void): void {
    for (const { index, stride, extent } of terms) {
      push(index);
      this.#clip(extent);
      this.#scope.f.i32(stride * bytes).op(OP.i32_mul, OP.i32_add);
    }
  }

  #clip(extent: number): void {
    const { f } = this.#scope;
    const value = f.local(I32);
    f.set(value);
    f.i32(0).get(value).get(value).i32(0).op(OP.i32_lt_s, OP.select).set(value);
    f.i32(extent - 1)
      .get(value)
      .get(value)
      .i32(extent - 1)
      .op(OP.i32_gt_s, OP.select);
  }

  #pushScaled(local: number, factor: number): void {
    const f = this.#scope.f.get(local);
    if (factor === 1) return;
    const shift = Math.log2(factor);
    if (Number.isInteger(shift)) f.i32(shift).op(OP.i32_shl);
    else f.i32(factor).op(OP.i32_mul);
  }

  #numberOf(expr: object): number {
    const number = this.#numbers.get(expr) ?? this.#numbers.size;
    this.#numbers.set(expr, number);
    return number;
  }
}
