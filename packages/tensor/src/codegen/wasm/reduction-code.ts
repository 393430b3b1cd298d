/** @file What reductions share: accumulators, how terms are combined, and how long sums are cut into blocks. */
import type { DType } from "../../base/dtype.ts";
import type { Combine, LoopKernel } from "../../ir/kernel.ts";
import { type Accumulator, BlockTotals } from "./block-totals.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import type { Nest } from "./nest-code.ts";
import { I32, OP, SIMD } from "./opcodes.ts";
import { ELEMENT, type Form, LANES, pushConstant } from "./scalar-code.ts";

const INSTRUCTION = { sum: "add", max: "max", min: "min" } as const;

/** Sets an accumulator to what changes nothing. */
export function clear(f: FunctionBuilder, how: Combine, { local, dtype, form }: Accumulator): void {
  pushConstant(f, dtype, identityOf(how, dtype), form);
  f.set(local);
}

function identityOf(combine: Combine, dtype: DType): number {
  if (combine === "sum") return 0;
  const float = dtype === "float32";
  return combine === "max" ? (float ? -Infinity : -(2 ** 31)) : float ? Infinity : 2 ** 31 - 1;
}

/** Combines the two values on the stack, of the kernel's output at this position. */
export function combine(f: FunctionBuilder, kernel: LoopKernel, output: number, form: Form): void {
  const { dtype } = kernel.outputs[output]!;
  const op = INSTRUCTION[kernel.combine!];
  if (form === "lanes" && op === "max" && isMagnitude(kernel, output)) f.simd(SIMD.i32x4_max_s);
  else if (form === "lanes") LANES[op](f, dtype);
  else if (dtype === "float32" || op === "add") ELEMENT[op](f, dtype);
  else {
    const [a, b] = [f.local(I32), f.local(I32)];
    f.set(b)
      .tee(a)
      .get(b)
      .get(a)
      .get(b)
      .op(op === "min" ? OP.i32_lt_s : OP.i32_gt_s, OP.select);
  }
}

/** Whether a float32 has no sign. Then its bits are ordered like integers, NaN last, and the integers' maximum is one instruction of x86 where
 * the floats' is seven, each waiting for the one before. */
function isMagnitude({ outputs }: LoopKernel, output: number): boolean {
  const { value } = outputs[output]!;
  return value.kind === "op" && value.op === "abs" && value.dtype === "float32";
}

/** Runs `body` with the reduced loops that it is to go through, which leaves their sums in the accumulators: with all of them, or where the plan has
 * blocks, with a block of them at a time. */
export function reduce(nest: Nest, accumulators: readonly Accumulator[], body: (loops: readonly number[]) => void): void {
  const { block } = nest.plan;
  const loops = nest.reduced();
  if (!block) return body(loops);
  const totals = new BlockTotals(nest.f, accumulators);
  nest.inBlocks(block.loop, block.size, () => {
    body(loops.filter((loop) => loop >= block.loop));
    totals.add();
  });
  totals.finish();
}
