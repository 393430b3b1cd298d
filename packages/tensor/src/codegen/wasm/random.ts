/** @file The Philox generator as WebAssembly: ten unrolled rounds for four counters at a time. */
import { PHILOX_M0, PHILOX_M1, PHILOX_W0, PHILOX_W1 } from "../../base/random.ts";
import type { RandomKernel } from "../../ir/kernel.ts";
import { FunctionBuilder } from "./function-builder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { I32, OP, SIMD, V128 } from "./opcodes.ts";

/** Words per task, all under one key. */
const TASK_WORDS = 8192;
const ROUNDS = 10;
/** Words of four counters. */
const BLOCK = 16;

export function emitRandom({ keys = 1, count }: RandomKernel, module: ModuleContext): KernelCode {
  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [task, key, stream, out] = [0, 1, 2, 3] as const;
  const [index, end, address] = [f.local(I32), f.local(I32), f.local(I32)];
  const vectors = (n: number): number[] => Array.from({ length: n }, () => f.local(V128));
  // Each vector holds one word of all four counters.
  const [c0, c1, c2, c3] = vectors(4) as [number, number, number, number];
  const [k0, k1] = vectors(2) as [number, number];
  const [a, b, c, d] = vectors(4) as [number, number, number, number];
  /** Pushes four words of the eight in two vectors. */
  const pick = (first: number, second: number, words: readonly number[]): FunctionBuilder => f.get(first).get(second).shuffleWords(words);
  const multiply = (value: number, factor: number, low: number, high: number): void => {
    f.get(value).v128(factor).simd(SIMD.i64x2_extmul_low_i32x4_u).set(low);
    f.get(value).v128(factor).simd(SIMD.i64x2_extmul_high_i32x4_u).set(high);
  };
  const add = (value: number, step: number): void => {
    f.get(value).v128(step).simd(SIMD.i32x4_add).set(value);
  };
  const perKey = Math.ceil(count / TASK_WORDS);
  if (keys > 1) {
    f.get(task).i32(perKey).op(OP.i32_div_u).set(index);
    f.get(key).get(index).i32(8).op(OP.i32_mul, OP.i32_add).set(key);
    f.get(out)
      .get(index)
      .i32(4 * count)
      .op(OP.i32_mul, OP.i32_add)
      .set(out);
    f.get(task).i32(perKey).op(OP.i32_rem_u).set(task);
  }
  f.get(task).i32(TASK_WORDS).op(OP.i32_mul).tee(index).i32(TASK_WORDS).op(OP.i32_add).tee(end);
  f.i32(count).get(end).i32(count).op(OP.i32_lt_s, OP.select).set(end);
  f.loop(() => {
    f.get(index).i32(2).op(OP.i32_shr_u).simd(SIMD.i32x4_splat).v128Lanes([0, 1, 2, 3]).simd(SIMD.i32x4_add).set(c0);
    f.get(stream).v128LoadSplat().set(c1).v128(0).set(c2).v128(0).set(c3);
    f.get(key).v128LoadSplat().set(k0).get(key).v128LoadSplat(4).set(k1);
    for (let round = 0; round < ROUNDS; round++) {
      multiply(c0, PHILOX_M0, a, b);
      multiply(c2, PHILOX_M1, c, d);
      pick(c, d, [1, 3, 5, 7]).get(c1).simd(SIMD.v128_xor).get(k0).simd(SIMD.v128_xor).set(c0);
      pick(a, b, [1, 3, 5, 7]).get(c3).simd(SIMD.v128_xor).get(k1).simd(SIMD.v128_xor).set(c2);
      pick(c, d, [0, 2, 4, 6]).set(c1);
      pick(a, b, [0, 2, 4, 6]).set(c3);
      add(k0, PHILOX_W0);
      add(k1, PHILOX_W1);
    }
    // From a vector for each word to a vector for each counter.
    pick(c0, c1, [0, 4, 1, 5]).set(a);
    pick(c2, c3, [0, 4, 1, 5]).set(b);
    pick(c0, c1, [2, 6, 3, 7]).set(c);
    pick(c2, c3, [2, 6, 3, 7]).set(d);
    pick(a, b, [0, 1, 4, 5]).set(c0);
    pick(a, b, [2, 3, 6, 7]).set(c1);
    pick(c, d, [0, 1, 4, 5]).set(c2);
    pick(c, d, [2, 3, 6, 7]).set(c3);
    f.get(out).get(index).i32(2).op(OP.i32_shl, OP.i32_add).set(address);
    f.get(index).i32(BLOCK).op(OP.i32_add).tee(index).get(end).op(OP.i32_le_s);
    f.if(
      () =>
        [c0, c1, c2, c3].forEach((words, i) => {
          f.get(address)
            .get(words)
            .v128Store(16 * i);
        }),
      () => {
        // The end of the tensor cuts the last block.
        for (let word = 0; word < BLOCK - 1; word++) {
          f.get(index)
            .i32(BLOCK - word)
            .op(OP.i32_sub)
            .get(end)
            .op(OP.i32_lt_s)
            .if(() =>
              f
                .get(address)
                .get([c0, c1, c2, c3][word >> 2]!)
                .v128StoreLane(word & 3, 4 * word),
            );
        }
      },
    );
    f.get(index).get(end).op(OP.i32_lt_s).branchIf(0);
  });
  return { tasks: keys * perKey, entry: module.add(f) };
}
