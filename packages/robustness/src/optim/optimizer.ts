/** @file What an optimiser is: a pure update of named tensors. */
import { add, mul, type Operand, type Value } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { flagOr, number, type OptionTable, type TracedValues } from "../options/option.ts";

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
  /** Makes it, inside a compiled step, where options that are its inputs are tensors. `norms` are the names of batch norms' parameters. */
  create(options: TracedValues<Options>, norms: ReadonlySet<string>): Optimizer;
}

/** The same definition: makes `create` see the options that it declares. */
export function defineOptimizer<const Options extends OptionTable>(definition: OptimizerDefinition<Options>): OptimizerDefinition<Options> {
  return definition;
}

/** L2 regularisation, of all parameters in all of the paper's CIFAR-10 and SVHN runs; on ImageNet not of batch norms'. */
export const decayOptions = {
  weightDecay: number({
    least: 0,
    most: 1,
    default: 5e-4,
    help: "L2 regularisation, added to the gradient of every parameter",
    remedy: "write e.g. 5e-4",
  }),
  excludeNorms: flagOr(undefined, { help: "leave batch norms' weights and biases out of the regularisation" }),
};

/** How parameters decay. */
export interface Decay {
  /** L2 regularisation, added to the gradient; 0 unless set. */
  readonly weightDecay?: Operand;
  /** Names of parameters that do not decay; none unless set. */
  readonly undecayed?: ReadonlySet<string>;
}

/** What an optimiser does to the gradient first: g + weightDecay p, where the parameter decays. */
export function regularizing({ weightDecay = 0, undecayed }: Decay): (g: Value, p: Value, name: string) => Value {
  return (g, p, name) => (undecayed?.has(name) ? g : add(g, mul(p, weightDecay)));
}

/** The decay that {@link decayOptions} choose. */
export function chosenDecay({ weightDecay, excludeNorms }: TracedValues<typeof decayOptions>, norms: ReadonlySet<string>): Decay {
  return excludeNorms ? { weightDecay, undecayed: norms } : { weightDecay };
}

/** Names of the parameters that belong to batch norms: those beside which a running mean is kept. */
export function normNames({ params, state }: { readonly params: Params; readonly state: Params }): ReadonlySet<string> {
  const isNorm = (name: string): boolean => Object.hasOwn(state, `${name.replace(/\.(weight|bias)$/, "")}.running_mean`);
  return new Set(Object.keys(params).filter(isNorm));
}

/** Applies a function to tensors of the same name. */
export function mapParams(f: (...values: Value[]) => Value, first: Params, ...rest: Params[]): Params {
  return mapNamed((_, ...values) => f(...values), first, ...rest);
}

/** The same with the name. */
export function mapNamed(f: (name: string, ...values: Value[]) => Value, first: Params, ...rest: Params[]): Params {
  return Object.fromEntries(Object.entries(first).map(([name, value]) => [name, f(name, value, ...rest.map((params) => params[name] as Value))]));
}
