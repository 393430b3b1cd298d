/** @file Learning rates over a run. Time is in epochs, fractional: epoch - 1 + (i + 1) / iterations per epoch. */
import { constant, type OptionTable, type ValuesOf } from "../options/option.ts";

/** Length and height of a schedule. */
export interface ScheduleOptions {
  readonly epochs: number;
  /** The largest learning rate. */
  readonly peak: number;
}

/** The learning rate at a time in epochs. */
export type Schedule = (epoch: number) => number;

/** A schedule that runs can name: one line in the registry. */
export interface ScheduleDefinition<Options extends OptionTable = OptionTable> {
  readonly id: string;
  /** Where it comes from. */
  readonly paper: string;
  readonly options: Options;
  /** The schedule of a run of so many epochs. */
  create(options: ValuesOf<Options>, epochs: number): Schedule;
}

const options = {
  peak: constant({ least: 0, most: 1e3, default: ({ recipe }) => recipe.peak, help: "peak learning rate", remedy: "leave it out for the recipe's" }),
};

/** The paper's schedule, as runs name it. */
export const cyclicDefinition: ScheduleDefinition<typeof options> = {
  id: "cyclic",
  paper: "Smith, Topin 2018; linear up to the peak at two fifths of the epochs, then down to 0",
  options,
  create: ({ peak }, epochs) => cyclicSchedule({ epochs, peak }),
};

/** Two drops by a factor of ten, as runs name it. */
export const piecewiseDefinition: ScheduleDefinition<typeof options> = {
  id: "piecewise",
  paper: "Madry et al. 2018; a tenth of the peak from half of the epochs on, a hundredth from three quarters on",
  options,
  create: ({ peak }, epochs) => piecewiseSchedule({ epochs, peak }),
};

/** Linear from 0 up to the peak at two fifths of the epochs (whole epochs), then linearly down to 0: the paper's schedule. */
export function cyclicSchedule({ epochs, peak }: ScheduleOptions): Schedule {
  const top = Math.floor((epochs * 2) / 5);
  return (epoch) => {
    if (epoch < top) return peak * (Math.max(epoch, 0) / top);
    return peak * (Math.max(epochs - epoch, 0) / (epochs - top));
  };
}

/** The peak, a tenth of it from half of the epochs on, a hundredth from three quarters on. */
export function piecewiseSchedule({ epochs, peak }: ScheduleOptions): Schedule {
  return (epoch) => peak * (epoch / epochs < 0.5 ? 1 : epoch / epochs < 0.75 ? 0.1 : 0.01);
}
