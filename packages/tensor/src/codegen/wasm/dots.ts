/** @file Sums of products of neighbouring elements as WebAssembly. */
import type { Dots, Variable } from "../plan/language.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { I32, OP, SIMD, V128 } from "./opcodes.ts";

/** Emits tiles of dots into one function; its locals are shared by all tiles. */
export class DotTiles {
  readonly #f: FunctionBuilder;
  readonly #relaxed: boolean;
  readonly #localOf: (variable: Variable) => number;
  readonly #locals = new Map<string, number>();

  constructor(f: FunctionBuilder, relaxed: boolean, localOf: (variable: Variable) => number) {
    this.#f = f;
    this.#relaxed = relaxed;
    this.#localOf = localOf;
  }

  emit({ window, gradient, sums, windows, gradients, rows, vectorsPerRow, gap, place }: Dots): void {
    const f = this.#f;
    const [pixel, other, line, end] = ["pixel", "other", "line", "end"].map((name) => this.#local(name, I32)) as [number, number, number, number];
    const sumOf = (i: number, k: number): number => this.#local(`sum${i},${k}`, V128);
    const forEach = (visit: (sum: number, i: number, k: number) => void): void =>
      windows.forEach((_, i) => {
        for (let k = 0; k < gradients.length; k++) visit(sumOf(i, k), i, k);
      });
    forEach((sum) => f.v128(0).set(sum));
    f.get(this.#localOf(window)).set(pixel).get(this.#localOf(gradient)).set(other);
    f.countedLoop(line, 0, rows, 1, () => {
      f.get(other)
        .i32(16 * vectorsPerRow)
        .op(OP.i32_add)
        .set(end);
      f.loop(() => {
        gradients.forEach((offset, k) => {
          f.get(other)
            .v128Load(offset)
            .set(this.#local(`gradient${k}`, V128));
        });
        windows.forEach((offset, i) => {
          f.get(pixel)
            .v128Load(offset)
            .set(this.#local(`window${i}`, V128));
        });
        forEach((sum, i, k) => {
          const factors = (): FunctionBuilder => f.get(this.#local(`window${i}`, V128)).get(this.#local(`gradient${k}`, V128));
          if (this.#relaxed) factors().get(sum).simd(SIMD.f32x4_relaxed_madd);
          else {
            f.get(sum);
            factors().simd(SIMD.f32x4_mul).simd(SIMD.f32x4_add);
          }
          f.set(sum);
        });
        f.get(pixel).i32(16).op(OP.i32_add).set(pixel);
        f.get(other).i32(16).op(OP.i32_add).tee(other).get(end).op(OP.i32_lt_u).branchIf(0);
      });
      f.get(pixel).i32(gap).op(OP.i32_add).set(pixel);
    });
    const to = this.#localOf(sums);
    forEach((sum, i, k) => {
      const offset = place[i]![k]!;
      f.get(to).get(to).f32Load(offset);
      for (let lane = 0; lane < 4; lane++) {
        f.get(sum).extractLaneF32(lane);
        if (lane > 0) f.op(OP.f32_add);
      }
      f.op(OP.f32_add).f32Store(offset);
    });
  }

  #local(name: string, type: typeof I32 | typeof V128): number {
    let index = this.#locals.get(name);
    if (index === undefined) {
      index = this.#f.local(type);
      this.#locals.set(name, index);
    }
    return index;
  }
}
