/** @file The registries of optimisers and schedules: one line each. */
import { type AdamOptions, adam } from "./adam.ts";
import type { Optimizer } from "./optimizer.ts";
import { cyclicSchedule, piecewiseSchedule, type Schedule, type ScheduleOptions } from "./schedule.ts";
import { type SgdOptions, sgd } from "./sgd.ts";

/** An optimiser and its settings, as stored in a run's settings. */
export type OptimizerConfig = ({ readonly name: "sgd" } & Required<SgdOptions>) | ({ readonly name: "adam" } & Required<AdamOptions>);

/** Every schedule by name. */
export const schedules: Readonly<Record<"cyclic" | "piecewise", (options: ScheduleOptions) => Schedule>> = {
  cyclic: cyclicSchedule,
  piecewise: piecewiseSchedule,
};

/** Makes the optimiser a run's settings name. */
export function createOptimizer(config: OptimizerConfig): Optimizer {
  return (config.name === "sgd" ? sgd(config) : adam(config)) as unknown as Optimizer;
}
