/** @file Sums of many terms: accumulators go over a block of terms at a time, and the blocks' sums are added up in float64. */
import type { DType } from "../../base/dtype.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { F64, I32, OP, SIMD, V128 } from "./opcodes.ts";
import type { Form } from "./scalar-code.ts";

/** A local in which a block's terms are summed. */
export interface Accumulator {
  readonly local: number;
  readonly dtype: DType;
  readonly form: Form;
}

const HIGH_HALF = [2, 3, 2, 3];
const LOW_HALVES = [0, 1, 4, 5];

/** Totals of accumulators, zero to begin with. */
export class BlockTotals {
  readonly #f: FunctionBuilder;
  readonly #accumulators: readonly Accumulator[];
  readonly #totals: readonly (readonly number[])[];

  constructor(f: FunctionBuilder, accumulators: readonly Accumulator[]) {
    this.#f = f;
    this.#accumulators = accumulators;
    this.#totals = accumulators.map(({ dtype, form }) => {
      if (form === "element") return [f.local(dtype === "float32" ? F64 : I32)];
      return dtype === "float32" ? [f.local(V128), f.local(V128)] : [f.local(V128)];
    });
    accumulators.forEach(({ dtype, form }, i) => {
      for (const total of this.#totals[i]!) {
        if (form === "lanes") f.v128(0);
        else if (dtype === "float32") f.f32(0).op(OP.f64_promote_f32);
        else f.i32(0);
        f.set(total);
      }
    });
  }

  /** Adds the accumulators. */
  add(): void {
    const f = this.#f;
    this.#accumulators.forEach(({ local, dtype, form }, i) => {
      this.#totals[i]!.forEach((total, half) => {
        f.get(total).get(local);
        if (dtype !== "float32") form === "lanes" ? f.simd(SIMD.i32x4_add) : f.op(OP.i32_add);
        else if (form === "element") f.op(OP.f64_promote_f32, OP.f64_add);
        else {
          if (half === 1) f.get(local).shuffleWords(HIGH_HALF);
          f.simd(SIMD.f64x2_promote_low_f32x4).simd(SIMD.f64x2_add);
        }
        f.set(total);
      });
    });
  }

  /** Puts the totals where the accumulators are. */
  finish(): void {
    const f = this.#f;
    this.#accumulators.forEach(({ local, dtype, form }, i) => {
      const [low, high] = this.#totals[i]!;
      f.get(low!);
      if (dtype === "float32") {
        if (form === "element") f.op(OP.f32_demote_f64);
        else f.simd(SIMD.f32x4_demote_f64x2_zero).get(high!).simd(SIMD.f32x4_demote_f64x2_zero).shuffleWords(LOW_HALVES);
      }
      f.set(local);
    });
  }
}
