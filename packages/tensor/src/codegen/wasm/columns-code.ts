/** @file Reductions along columns as code: lanes run along the last independent loop, and a few vectors of results at a time stay in locals while
 * all reduced turns go by. */
import { Addresses } from "./addresses.ts";
import type { Accumulator } from "./block-totals.ts";
import { ExprEmitter } from "./expr-code.ts";
import { emitStore } from "./memory-access.ts";
import type { Nest } from "./nest-code.ts";
import { OP } from "./opcodes.ts";
import { clear, combine, reduce } from "./reduction-code.ts";
import { type Form, wasmType } from "./scalar-code.ts";

export function emitColumns(nest: Nest): void {
  const { inner } = nest.plan;
  nest.run(
    nest.kept().filter((loop) => loop !== inner),
    () => emitColumnLoop(nest),
  );
}

function emitColumnLoop(nest: Nest): void {
  const { f } = nest;
  const { inner, vectors } = nest.plan;
  const extent = nest.kernel.extents[inner]!;
  const index = nest.scope.indices[inner]!;
  const bounds = nest.boundsOf(inner);
  if (bounds) f.get(bounds.start).set(index);
  else f.i32(0).set(index);
  /** Blocks of `width` elements while they fit. */
  const sweep = (width: number, body: () => void): void => {
    f.block(() => {
      f.loop(() => {
        f.get(index).i32(width).op(OP.i32_add);
        if (bounds) f.get(bounds.end);
        else f.i32(extent);
        f.op(OP.i32_gt_s).branchIf(1);
        body();
        f.get(index).i32(width).op(OP.i32_add).set(index).branch(0);
      });
    });
  };
  sweep(4 * vectors, () => emitBlock(nest, "lanes", vectors));
  if (vectors > 1 && (bounds || extent % (4 * vectors) >= 4)) sweep(4, () => emitBlock(nest, "lanes", 1));
  if (bounds || extent % 4 !== 0) sweep(1, () => emitBlock(nest, "element", 1));
}

/** So many vectors of every output, or one element of each. */
function emitBlock(nest: Nest, form: Form, vectors: number): void {
  const { f, kernel, scope } = nest;
  const { outputs } = kernel;
  const values = outputs.map((output) => output.value);
  const accumulators = outputs.map(({ dtype }) => Array.from({ length: vectors }, (): Accumulator => ({ local: f.local(wasmType(dtype, form)), dtype, form })));
  reduce(nest, accumulators.flat(), (loops) => {
    for (const accumulator of accumulators.flat()) clear(f, kernel.combine!, accumulator);
    nest.run(loops, () => {
      const emitter = new ExprEmitter(scope, values);
      nest.afterPrologue(
        () => emitter.emitPrologue(),
        () => {
          for (let vector = 0; vector < vectors; vector++) {
            emitter.reset(4 * vector);
            values.forEach((value, i) => {
              const { local } = accumulators[i]![vector]!;
              f.get(local);
              emitter.push(value, form);
              combine(f, kernel, i, form);
              f.set(local);
            });
          }
        },
      );
    });
  });
  const addresses = new Addresses(scope);
  nest.afterPrologue(
    () => addresses.emitBases(),
    () => {
      outputs.forEach(({ buffer, at, dtype }, i) => {
        accumulators[i]!.forEach(({ local }, vector) => {
          addresses.push(buffer, at, dtype);
          f.get(local);
          emitStore(f, dtype, form, 16 * vector);
        });
      });
    },
  );
}
