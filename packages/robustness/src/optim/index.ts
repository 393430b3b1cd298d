/** @file The registries of optimisers and schedules: one line each. */
import type { OptionTable, TracedValues, ValuesOf } from "../options/option.ts";
import { adamDefinition as adam } from "./adam.ts";
import type { Optimizer, OptimizerDefinition } from "./optimizer.ts";
import {
  cyclicDefinition as cyclic,
  linearDefinition as linear,
  piecewiseDefinition as piecewise,
  type Schedule,
  type ScheduleDefinition,
} from "./schedule.ts";
import { sgdDefinition as sgd } from "./sgd.ts";

/** Every optimiser by name. */
export const optimizers = { sgd, adam } satisfies Readonly<Record<string, OptimizerDefinition>>;

/** Every optimiser's name. */
export type OptimizerName = keyof typeof optimizers;

/** An optimiser and its options, as stored in a run's settings. */
export type OptimizerConfig = { [Name in OptimizerName]: { readonly name: Name } & ValuesOf<(typeof optimizers)[Name]["options"]> }[OptimizerName];

/** Every schedule by name. */
export const schedules = { cyclic, piecewise, linear } satisfies Readonly<Record<string, ScheduleDefinition>>;

/** Every schedule's name. */
export type ScheduleName = keyof typeof schedules;

/** A schedule and its options, as stored in a run's settings. */
export type ScheduleConfig = { [Name in ScheduleName]: { readonly name: Name } & ValuesOf<(typeof schedules)[Name]["options"]> }[ScheduleName];

/** The schedule of that name in a run of so many epochs. */
export function createSchedule(config: ScheduleConfig, epochs: number): Schedule {
  const definition: ScheduleDefinition = schedules[config.name];
  return definition.create(config, epochs);
}

/**
 * Makes the optimiser of that name; options that are its inputs in a compiled step may be tensors.
 *
 * @param norms names of batch norms' parameters, which `excludeNorms` leaves out of the regularisation.
 */
export function createOptimizer(
  { name, ...options }: { readonly name: OptimizerName } & TracedValues<OptionTable>,
  norms: ReadonlySet<string> = new Set(),
): Optimizer {
  const definition: OptimizerDefinition = optimizers[name];
  return definition.create(options, norms);
}
