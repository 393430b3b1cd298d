/** @file Learning rates over a run. Time is in epochs, fractional: epoch - 1 + (i + 1) / iterations per epoch. */
import { InvariantError } from "@gradalign/tensor";
import { constant, type OptionTable, text, type ValuesOf } from "../options/option.ts";

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

/** A point of a learning rate's course: an epoch, and the share of the peak there. */
export type SchedulePoint = readonly [epoch: number, share: number];

/** Points written as `0:0,1:1,6:0.1`; undefined for what is none, has shares below 0, or epochs that fall. */
function readPoints(written: string): SchedulePoint[] | undefined {
  const number = String.raw`(\d+\.?\d*(?:e-?\d+)?|\.\d+)`;
  const points = written.split(",").map((part) => new RegExp(`^\\s*${number}\\s*:\\s*${number}\\s*$`, "i").exec(part));
  if (points.includes(null)) return undefined;
  const found = points.map((point): SchedulePoint => [Number(point?.[1]), Number(point?.[2])]);
  return found.every(([epoch], i) => i === 0 || epoch >= (found[i - 1] as SchedulePoint)[0]) ? found : undefined;
}

const linearOptions = {
  ...options,
  points: text({
    argument: "epoch:share,…",
    default: ({ epochs }) => `0:0,${Math.floor((epochs * 2) / 5)}:1,${epochs}:0`,
    help: "learning rate at epochs, as shares of the peak, with straight lines between them; of two at one epoch the second holds from there on",
    rule: "epoch:share, comma, and so on, with epochs that do not fall",
    accepts: (written) => readPoints(written) !== undefined,
    remedy: "write e.g. 0:0,1:1,6:0.1",
  }),
};

/** Straight lines between stated points, as runs name it. */
export const linearDefinition: ScheduleDefinition<typeof linearOptions> = {
  id: "linear",
  paper: "straight lines between stated points, as in the code of Wong et al. 2020 for ImageNet",
  options: linearOptions,
  create({ peak, points }) {
    const found = readPoints(points);
    if (!found) throw new InvariantError(`schedule: points (="${points}") are not checked`);
    return linearSchedule({ peak, points: found });
  },
};

/** Straight lines between points, whose epochs do not fall; the first and the last share hold before and after them. */
export function linearSchedule({ peak, points }: { readonly peak: number; readonly points: readonly SchedulePoint[] }): Schedule {
  return (epoch) => {
    const next = points.findIndex(([at]) => at > epoch);
    const [[from, low], [to, high]] = [points.at(next > 0 ? next - 1 : next), points.at(next)] as [SchedulePoint, SchedulePoint];
    return peak * (from === to ? low : low + ((high - low) * (epoch - from)) / (to - from));
  };
}

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
