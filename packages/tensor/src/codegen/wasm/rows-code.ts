/** @file Reductions along rows as code: lanes run along the last reduced loop, in registers, and are combined pairwise at the end. */
import { BYTES } from "../../base/dtype.ts";
import type { LoopOutput } from "../../ir/kernel.ts";
import type { Accumulator } from "./block-totals.ts";
import { ExprEmitter } from "./expr-code.ts";
import { emitStore } from "./memory-access.ts";
import type { Nest } from "./nest-code.ts";
import { OP } from "./opcodes.ts";
import { clear, combine, reduce } from "./reduction-code.ts";
import { type Form, wasmType } from "./scalar-code.ts";

export function emitRows(nest: Nest): void {
  nest.run(nest.kept(), () => emitRow(nest));
}

function emitRow(nest: Nest): void {
  const { f, kernel, scope } = nest;
  const { inner, lanes } = nest.plan;
  const { outputs, extents } = kernel;
  const accumulators = (form: Form): Accumulator[] => outputs.map(({ dtype }) => ({ local: f.local(wasmType(dtype, form)), dtype, form }));
  const [elements, vectors] = [accumulators("element"), accumulators("lanes")];
  reduce(nest, elements, (loops) => {
    outputs.forEach((_, i) => {
      for (const accumulator of [elements[i]!, vectors[i]!]) clear(f, kernel.combine!, accumulator);
    });
    nest.run(
      loops.filter((loop) => loop !== inner),
      () => {
        const emitter = new ExprEmitter(
          scope,
          outputs.map((output) => output.value),
        );
        nest.runInner(emitter, 0, extents[inner]!, (form) => {
          outputs.forEach(({ value }, i) => {
            const { local } = form === "lanes" ? vectors[i]! : elements[i]!;
            f.get(local);
            emitter.push(value, form);
            combine(f, kernel, i, form);
            f.set(local);
          });
        });
      },
    );
    if (!lanes) return;
    outputs.forEach((_, i) => {
      addLanes(nest, i, vectors[i]!.local, elements[i]!);
    });
  });
  outputs.forEach((output, i) => {
    storeResult(nest, output, elements[i]!.local);
  });
}

/** Combines a vector's lanes and adds them to the element. */
function addLanes({ f, kernel }: Nest, output: number, vector: number, { local, dtype }: Accumulator): void {
  // (0,1,2,3) + (2,3,·,·), then + (1,·,·,·): the same order everywhere.
  for (const shift of [8, 4]) {
    f.get(vector)
      .get(vector)
      .get(vector)
      .shuffle(Array.from({ length: 16 }, (_, byte) => (byte + shift) % 16));
    combine(f, kernel, output, "lanes");
    f.set(vector);
  }
  f.get(vector);
  if (dtype === "float32") f.extractLaneF32(0);
  else f.extractLaneI32(0);
  f.get(local);
  combine(f, kernel, output, "element");
  f.set(local);
}

function storeResult({ f, scope }: Nest, { buffer, at, dtype }: LoopOutput, local: number): void {
  f.get(scope.buffers[buffer]!)
    .i32(at.offset * BYTES[dtype])
    .op(OP.i32_add);
  at.strides.forEach((stride, loop) => {
    if (stride !== 0)
      f.get(scope.indices[loop]!)
        .i32(stride * BYTES[dtype])
        .op(OP.i32_mul, OP.i32_add);
  });
  f.get(local);
  emitStore(f, dtype, "element");
}
