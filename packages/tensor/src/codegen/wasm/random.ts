/** @file The Philox generator as WebAssembly: ten unrolled rounds per four words. */
import { PHILOX_M0, PHILOX_M1, PHILOX_W0, PHILOX_W1 } from "../../base/random.ts";
import type { RandomKernel } from "../../ir/kernel.ts";
import { FunctionBuilder, I32, I64, OP } from "./encoder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";

/** Words per task. */
const TASK_WORDS = 8192;

export function emitRandom({ count }: RandomKernel, module: ModuleContext): KernelCode {
  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [task, key, stream, out] = [0, 1, 2, 3] as const;
  const [index, end, address] = [f.local(I32), f.local(I32), f.local(I32)];
  const counter = [f.local(I32), f.local(I32), f.local(I32), f.local(I32)] as const;
  const keys = [f.local(I32), f.local(I32)] as const;
  const product = [f.local(I64), f.local(I64)] as const;
  f.get(task).i32(TASK_WORDS).op(OP.i32_mul).tee(index).i32(TASK_WORDS).op(OP.i32_add).tee(end);
  f.i32(count).get(end).i32(count).op(OP.i32_lt_s, OP.select).set(end);
  f.loop(() => {
    f.get(index).i32(2).op(OP.i32_shr_u).set(counter[0]);
    f.get(stream).i32Load().set(counter[1]);
    f.i32(0).set(counter[2]).i32(0).set(counter[3]);
    f.get(key).i32Load().set(keys[0]).get(key).i32Load(4).set(keys[1]);
    for (let round = 0; round < 10; round++) {
      f.get(counter[0]).op(OP.i64_extend_i32_u).i64(PHILOX_M0).op(OP.i64_mul).set(product[0]);
      f.get(counter[2]).op(OP.i64_extend_i32_u).i64(PHILOX_M1).op(OP.i64_mul).set(product[1]);
      const high = (i: 0 | 1): FunctionBuilder => f.get(product[i]).i64(32).op(OP.i64_shr_u, OP.i32_wrap_i64);
      high(1).get(counter[1]).op(OP.i32_xor).get(keys[0]).op(OP.i32_xor).set(counter[0]);
      high(0).get(counter[3]).op(OP.i32_xor).get(keys[1]).op(OP.i32_xor).set(counter[2]);
      f.get(product[1]).op(OP.i32_wrap_i64).set(counter[1]).get(product[0]).op(OP.i32_wrap_i64).set(counter[3]);
      f.get(keys[0]).i32(PHILOX_W0).op(OP.i32_add).set(keys[0]).get(keys[1]).i32(PHILOX_W1).op(OP.i32_add).set(keys[1]);
    }
    f.get(out).get(index).i32(2).op(OP.i32_shl, OP.i32_add).set(address);
    counter.forEach((word, i) => {
      // The last four words may be cut by the end of the tensor.
      if (count % 4 === 0 || i === 0)
        f.get(address)
          .get(word)
          .i32Store(4 * i);
      else
        f.get(index)
          .i32(i)
          .op(OP.i32_add)
          .get(end)
          .op(OP.i32_lt_s)
          .if(() =>
            f
              .get(address)
              .get(word)
              .i32Store(4 * i),
          );
    });
    f.get(index).i32(4).op(OP.i32_add).tee(index).get(end).op(OP.i32_lt_s).branchIf(0);
  });
  return { tasks: Math.ceil(count / TASK_WORDS), entry: module.add(f) };
}
