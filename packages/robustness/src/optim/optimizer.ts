/** @file What an optimiser is: a pure update of named tensors. */
import type { Operand, Value } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { number, type OptionTable, type TracedValues } from "../options/option.ts";

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

/** An optimiser that runs can name: one file, one line in the registry. */
export interface OptimizerDefinition<Options extends OptionTable = OptionTable> {
  readonly id: string;
  /** Where it comes from. */
  readonly paper: string;
  readonly options: Options;
  /** Makes it, inside a compiled step, where options that are its inputs are tensors. */
  create(options: TracedValues<Options>): Optimizer;
}

/** The same definition: makes `create` see the options that it declares. */
export function defineOptimizer<const Options extends OptionTable>(definition: OptimizerDefinition<Options>): OptimizerDefinition<Options> {
  return definition;
}

/** L2 regularisation; 5e-4 in all of the paper's runs. */
export const weightDecay = number({
  least: 0,
  most: 1,
  default: 5e-4,
  help: "L2 regularisation, added to the gradient of every parameter",
  remedy: "write e.g. 5e-4",
});

/** Applies a function to tensors of the same name. */
export function mapParams(f: (...values: Value[]) => Value, first: Params, ...rest: Params[]): Params {
  return Object.fromEntries(Object.entries(first).map(([name, value]) => [name, f(value, ...rest.map((params) => params[name] as Value))]));
}
