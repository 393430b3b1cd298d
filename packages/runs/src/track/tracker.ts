/**
 * @file What a tracker is: somewhere else that a run's numbers are sent while it trains. One tracker is one file and a line in the registry.
 *
 * The run's folder stays the truth; a tracker that is away loses nothing and holds nothing up.
 */
import type { Evaluation, TrainConfig } from "@gradalign/robustness";
import type { RobustnessRecord } from "../run/run-data.ts";

/** The run that is tracked. */
export interface TrackedRun {
  readonly folder: string;
  /** Of a run among others, what tells it from them; a place that they share gets a folder of this name. */
  readonly id?: string;
  readonly label: string;
  readonly config: TrainConfig;
}

/** A number of a run. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly step: number;
}

/** A tracker of one run. */
export interface Tracker {
  /** The training begins, or goes on after this iteration, with these numbers from before; called before anything is sent. */
  start(iteration: number, earlier: readonly Metric[]): void;
  /** Takes numbers; returns at once. */
  send(metrics: readonly Metric[]): void;
  /** The run is over, or was interrupted; resolves when what was sent has arrived, or there is no hope in reasonable time. */
  close(end: "finished" | "interrupted" | "failed"): Promise<void>;
}

/** How a tracker is opened. */
export interface TrackerOptions {
  readonly run: TrackedRun;
  /** What follows the name in `--track name=target`. */
  readonly target: string | undefined;
  /** Told of trouble, once. */
  readonly note: (text: string) => void;
}

/** The numbers of an evaluation; those that were not measured or are not finite are left out. */
export function evaluationMetrics({ iteration, filter_norms: _, outgoing_norms: __, ...numbers }: Evaluation): Metric[] {
  return Object.entries(numbers).flatMap(([name, value]) => (typeof value === "number" && Number.isFinite(value) ? [{ name, value, step: iteration }] : []));
}

/** The numbers of an attack on a saved model; a radius other than the training's is in the name. */
export function robustnessMetrics(
  { which, attack, epsilon, n, iteration, cleanAccuracy, robustAccuracy }: RobustnessRecord,
  training: Pick<TrainConfig, "epsilon">,
): Metric[] {
  const at = epsilon === training.epsilon ? "" : `/eps${Number((epsilon * 255).toFixed(4))}`;
  // Names that trackers take: letters, digits and a few signs.
  const name = (kind: string): string => `final/${which}/${kind}/n${n}`.replace(/[^\w\-./ ]/g, "_");
  return [
    { name: name("clean"), value: cleanAccuracy, step: iteration },
    ...(attack === "none" ? [] : [{ name: name(`${attack}${at}`), value: robustAccuracy, step: iteration }]),
  ];
}
