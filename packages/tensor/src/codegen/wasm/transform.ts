/** @file Tile transformations as WebAssembly. What the columns give goes through memory: in locals the engine would keep all of it at once, and it
 * joins neighbouring operations only from a load to a store. */
import type { LinearMap, LinearSum } from "../../ir/linear-map.ts";
import type { TileTransform } from "../plan/language.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { SIMD, V128 } from "./opcodes.ts";

/** Emits transformations into one function. */
export class TileTransforms {
  readonly #f: FunctionBuilder;
  readonly #relaxed: boolean;
  #sumLocal = -1;

  constructor(f: FunctionBuilder, relaxed: boolean) {
    this.#f = f;
    this.#relaxed = relaxed;
  }

  /** Transforms the channels at the address in `source` and stores them at the one in `target`; `operands` are the locals of the transformation's. */
  emit({ map, input, output, vectors }: TileTransform, operands: readonly number[], source: number, target: number, between: number): void {
    const place = (i: number, j: number): number => 16 * vectors * (i * map.inputs + j);
    const locals = Array.from({ length: operands.length / vectors }, (_, i) => operands.slice(vectors * i, vectors * (i + 1)));
    for (let j = 0; j < map.inputs; j++) {
      this.#apply(
        map,
        locals,
        (i) => [source, 4 * (i * input.row + j * input.column)],
        (i) => [between, place(i, j)],
      );
    }
    for (let i = 0; i < map.outputs; i++) {
      this.#apply(
        map,
        locals,
        (j) => [between, place(i, j)],
        (j) => [target, 4 * (i * output.row + j * output.column)],
      );
    }
  }

  #apply(
    { inputs, sums, outputs }: LinearMap,
    operands: readonly (readonly number[])[],
    from: (i: number) => [base: number, offset: number],
    to: (i: number) => [base: number, offset: number],
  ): void {
    const f = this.#f;
    for (let i = 0; i < inputs; i++) {
      const [base, offset] = from(i);
      operands[i]!.forEach((local, v) => {
        f.get(base)
          .v128Load(offset + 16 * v)
          .set(local);
      });
    }
    const inner = sums.length - outputs;
    sums.forEach((sum, i) => {
      for (let v = 0; v < operands[0]!.length; v++) {
        if (i < inner) {
          this.#sum(sum, operands, v);
          f.set(operands[inputs + i]![v]!);
        } else {
          const [base, offset] = to(i - inner);
          f.get(base);
          this.#sum(sum, operands, v);
          f.v128Store(offset + 16 * v);
        }
      }
    });
  }

  /** Pushes Σ weight · operand. */
  #sum(sum: LinearSum, operands: readonly (readonly number[])[], v: number): void {
    const f = this.#f;
    sum.forEach(([operand, weight], i) => {
      const value = operands[operand]![v]!;
      if (i === 0) {
        f.get(value);
        if (weight !== 1) f.v128(bits(weight)).simd(SIMD.f32x4_mul);
      } else if (weight === 1) f.get(value).simd(SIMD.f32x4_add);
      else if (weight === -1) f.get(value).simd(SIMD.f32x4_sub);
      else if (this.#relaxed) this.#multiplyAdd(value, weight);
      else f.get(value).v128(bits(weight)).simd(SIMD.f32x4_mul).simd(SIMD.f32x4_add);
    });
  }

  /** Adds value · weight to the sum on the stack, rounding once. */
  #multiplyAdd(value: number, weight: number): void {
    const f = this.#f;
    if (this.#sumLocal < 0) this.#sumLocal = f.local(V128);
    f.set(this.#sumLocal).get(value).v128(bits(weight)).get(this.#sumLocal).simd(SIMD.f32x4_relaxed_madd);
  }
}

function bits(value: number): number {
  return new Int32Array(new Float32Array([value]).buffer)[0]!;
}
