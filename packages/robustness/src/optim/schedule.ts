/** @file Learning rates over a run. Time is in epochs, fractional: epoch - 1 + (i + 1) / iterations per epoch. */

/** Length and height of a schedule. */
export interface ScheduleOptions {
  readonly epochs: number;
  /** The largest learning rate. */
  readonly peak: number;
}

/** The learning rate at a time in epochs. */
export type Schedule = (epoch: number) => number;

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
