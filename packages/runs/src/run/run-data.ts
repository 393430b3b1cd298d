/** @file What a report is made of: one run's settings, its evaluations, and how it ended. */
import type { AlarmEvent, Evaluation, Outcome, TrainConfig } from "@gradalign/robustness";

/** When catastrophic overfitting happened. */
export interface OverfittingPoint {
  readonly iteration: number;
  readonly epoch: number;
  /** What fell, in words. */
  readonly evidence: string;
}

/** One row of the outcome table: the accuracy of a saved model under an attack. */
export interface RobustnessRecord {
  /** Which checkpoint was attacked. */
  readonly which: string;
  readonly iteration: number;
  /** Name of the attack, e.g. `pgd-50-10`. */
  readonly attack: string;
  /** Radius in pixel units [0,1]. */
  readonly epsilon: number;
  /** Number of test images, always the first ones. */
  readonly n: number;
  readonly seed: number;
  /** In [0,1]. */
  readonly cleanAccuracy: number;
  /** In [0,1]. */
  readonly robustAccuracy: number;
  /** Wilson interval of the robust accuracy, 95 %. */
  readonly confidence95: readonly [number, number];
  readonly meanLoss: number;
  /** Share of the images whose logits were not finite, clean or under attack; older records do not say. */
  readonly nonFiniteShare?: number;
  readonly seconds: number;
}

/** The first-layer filters of a saved `cnn`, and the weights that leave them. */
export interface FilterSnapshot {
  /** Shown as a row label, e.g. `best`. */
  readonly which: string;
  readonly iteration: number;
  /** [filters, channels, height, width]. */
  readonly shape: readonly [number, number, number, number];
  readonly weights: Float32Array;
}

/** Where and how fast a run was computed. */
export interface RunMachine {
  readonly backend: string;
  readonly threads: number;
  readonly version: string;
  readonly node: string;
}

/** Everything the report of one run shows. */
export interface ReportRun {
  /** Short name, distinct among the runs of a comparison, e.g. `fgsm-gradalign`. */
  readonly label: string;
  readonly config: TrainConfig;
  readonly evaluations: readonly Evaluation[];
  /** Images of the data set's test split; unknown before the first checkpoint. */
  readonly testImages?: number;
  readonly overfitting: OverfittingPoint | null;
  /** What a guard raised, in order; none where nothing watched. */
  readonly alarms?: readonly Omit<AlarmEvent, "type">[];
  /** How it stands after its last evaluation; null before the first. */
  readonly outcome: Pick<Outcome, "kind" | "evidence"> | null;
  /** Iteration and train PGD accuracy of the best checkpoint, if any. */
  readonly best: { readonly iteration: number; readonly pgdAccuracy: number; readonly on: "train" | "validation" } | null;
  readonly robustness: readonly RobustnessRecord[];
  readonly filters: readonly FilterSnapshot[];
  readonly machine: RunMachine | null;
}
