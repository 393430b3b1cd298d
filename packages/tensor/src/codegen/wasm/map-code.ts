/** @file Element-wise loop nests as code: every result of the current element, each under its own outermost guard. */
import { constant, type Expr } from "../../ir/scalar.ts";
import { type MapSection, valueInside } from "../plan/loop-plan.ts";
import { Addresses } from "./addresses.ts";
import { ExprEmitter } from "./expr-code.ts";
import { emitStore } from "./memory-access.ts";
import type { Nest } from "./nest-code.ts";

export function emitMap(nest: Nest): void {
  const { inner } = nest.plan;
  nest.run(
    nest.kept().filter((loop) => loop !== inner),
    () => {
      for (const section of nest.plan.sections) emitSection(nest, section);
    },
  );
}

function emitSection(nest: Nest, { outputs: positions, guards, from, to }: MapSection): void {
  const { f, scope } = nest;
  const { inner } = nest.plan;
  const extent = nest.kernel.extents[inner]!;
  const outputs = positions.map((position) => nest.kernel.outputs[position]!);
  /** Stores the values for a range of the innermost loop. */
  const store = (values: readonly Expr[], start: number, end: number): void => {
    const emitter = new ExprEmitter(scope, values);
    nest.runInner(emitter, start, end, (form) => {
      outputs.forEach(({ buffer, at, dtype }, i) => {
        emitter.addresses.push(buffer, at, dtype);
        emitter.push(values[i]!, form);
        emitStore(f, dtype, form);
      });
    });
  };
  const inside = outputs.map(({ value }) => valueInside(value, inner));
  const outside = outputs.map(({ value, dtype }) => constant(dtype, value.kind === "guard" ? value.fill : 0));
  const segments = (): void => {
    store(outside, 0, from);
    store(inside, from, to);
    store(outside, to, extent);
  };
  if (guards.length === 0) return segments();
  new Addresses(scope).pushGuards(guards);
  f.if(segments, () => store(outside, 0, extent));
}
