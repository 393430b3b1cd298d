/** @file What an optimiser is: a pure update of named tensors. */
import type { Operand, Value } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";

/** An optimiser's own tensors: any tree of them. */
export type OptimizerState = object;

/** A first-order optimiser, to be used inside a compiled step. */
export interface Optimizer<State extends OptimizerState = OptimizerState> {
  readonly name: string;
  /** The state before the first update. */
  init(params: Params): State;
  /** Parameters and state after one update with learning rate `lr`. */
  update(params: Params, grads: Params, state: State, lr: Operand): [Params, State];
}

/** Applies a function to tensors of the same name. */
export function mapParams(f: (...values: Value[]) => Value, first: Params, ...rest: Params[]): Params {
  return Object.fromEntries(Object.entries(first).map(([name, value]) => [name, f(value, ...rest.map((params) => params[name] as Value))]));
}
