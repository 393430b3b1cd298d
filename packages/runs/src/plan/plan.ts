/** @file What a plan is: runs to compute, fixed before the first begins; and how far it has come. */
import type { TrainConfig } from "@gradalign/robustness";

/** An attack on a saved model after training. */
export interface FinalAttack {
  /** As `attackPlan` reads it, e.g. `pgd-50-10`. */
  readonly attack: string;
  /** Radius in pixel units [0, 1]. */
  readonly epsilon: number;
  /** The first so many test images. */
  readonly examples: number;
  readonly which: "last" | "best";
}

/** A run of a plan: settings and nothing else. */
export interface PlannedRun {
  /** Its content address, and the name of its folder. */
  readonly id: string;
  /** What tells it from the plan's other runs, e.g. `fgsm, ε = 8/255, seed 0`. */
  readonly label: string;
  readonly config: TrainConfig;
  readonly attacks: readonly FinalAttack[];
  /** What its images are: `real` for a known data set, `made-up` for images in place of one, else the fingerprint of a folder of one's own. */
  readonly data: string;
}

/** Where a plan's runs are from; it decides what its report is. */
export type PlanOrigin =
  | { readonly kind: "sweep" /** Settings whose values differ, as flags are named. */; readonly varied: readonly string[] }
  | { readonly kind: "experiments"; readonly experiments: readonly string[]; readonly scale: string | null };

/** An immutable list of runs. */
export interface Plan {
  /** Hash of all its runs. */
  readonly id: string;
  readonly name: string;
  readonly origin: PlanOrigin;
  readonly runs: readonly PlannedRun[];
}

/** What a queue says of a run; `missing`: it is not there, so that nobody will be given it. */
export type QueuedState = "waiting" | "active" | "completed" | "failed" | "missing";

/** What the runs' folder says of a run. */
export interface RunStatus {
  readonly id: string;
  readonly label: string;
  readonly state: "waiting" | "running" | "finished" | "failed";
  /** How many of its epochs are evaluated, of a run that is not finished. */
  readonly epoch?: number;
  readonly epochs: number;
  /** Who works on it. */
  readonly host?: string;
  readonly pid?: number;
  /** Attempts begun so far. */
  readonly attempt?: number;
  /** Why it failed last, or that it diverged. */
  readonly message?: string;
  /** Folders of results that should have been equal to the first and are not: an alarm. */
  readonly differing?: readonly string[];
  /** Of a run that is not finished, where a queue was asked. */
  readonly queue?: QueuedState;
}

/** How far a plan has come. */
export interface PlanStatus {
  readonly plan: string;
  readonly name: string;
  readonly total: number;
  readonly finished: number;
  readonly running: number;
  readonly waiting: number;
  readonly failed: number;
  /** Runs that were computed twice with other results. */
  readonly differing: number;
  /** Share of all runs' epochs that are done, 0 to 1. */
  readonly progress: number;
  readonly cancelled: boolean;
  readonly runs: readonly RunStatus[];
}
