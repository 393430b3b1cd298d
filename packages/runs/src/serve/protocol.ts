/** @file What the server of runs and its page say to each other. All of it is JSON, in which numbers that are not finite are null. */
import type { Evaluation, Outcome } from "@gradalign/robustness";
import type { PlanStatus, RunStatus } from "../plan/plan.ts";
import type { OverfittingPoint, RobustnessRecord, RunMachine } from "../run/run-data.ts";

/** How a run stands. */
export type RunState = "running" | "stopping" | "finished" | "stopped" | "failed" | "unreadable";

/** An alarm of a run's guard. */
export interface ShownAlarm {
  readonly iteration: number;
  readonly epoch: number;
  readonly evidence: string;
  /** The iteration whose state was restored; null where it was not. */
  readonly restored: number | null;
}

/** A saved model of a run. */
export interface ShownCheckpoint {
  readonly which: "last" | "best";
  readonly iteration: number;
  readonly epoch: number;
}

/** The attack on a saved model that goes on. */
export interface ShownAttack {
  readonly attack: string;
  /** The model's. */
  readonly iteration: number;
  /** Images that are done. */
  readonly images: number;
}

/** What is told of every run. */
export interface RunSummary {
  /** What it is asked for by. */
  readonly key: string;
  /** Its folder, below the one that is served. */
  readonly name: string;
  readonly state: RunState;
  /** Why it cannot be read, or why it failed last; null if there is nothing to say. */
  readonly problem: string | null;
  readonly description: string;
  /** All settings by the names of their flags. */
  readonly settings: Readonly<Record<string, string>>;
  readonly epochs: number;
  /** How many evaluations there are, and the last of them. */
  readonly evaluations: number;
  readonly last: Evaluation | null;
  readonly outcome: Pick<Outcome, "kind" | "evidence"> | null;
  readonly overfitting: OverfittingPoint | null;
  readonly alarms: readonly ShownAlarm[];
  readonly checkpoints: readonly ShownCheckpoint[];
  readonly robustness: readonly RobustnessRecord[];
  /** Of a run that is trained to its end and still worked on: what it is attacked with, once some images are done. */
  readonly attacked: ShownAttack | null;
  readonly machine: RunMachine | null;
  /** The command that gives the same run again. */
  readonly command: string;
  /** The command that goes on with it, where the server was started; null where none is known. */
  readonly resume: string | null;
}

/** A run of the studio's own queue. */
export interface QueueEntry {
  readonly key: string;
  readonly label: string;
  readonly state: "waiting" | "running" | "stopping";
}

/** A planned run: what tells it from others, and how far it is. */
export interface ShownPlannedRun extends RunStatus {
  readonly key: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** A plan whose runs are in the folder. */
export interface PlanSummary extends Omit<PlanStatus, "runs"> {
  /** The key of its runs' folder. */
  readonly folder: string;
  readonly runs: readonly ShownPlannedRun[];
}

/** What the server tells, unasked. */
export type RunsMessage =
  /** What was changed since; all there is in the first, which says so. */
  | { readonly type: "runs"; readonly all: boolean; readonly changed: readonly RunSummary[]; readonly removed: readonly string[] }
  | { readonly type: "plans"; readonly plans: readonly PlanSummary[] }
  | {
      readonly type: "queue";
      readonly queue: readonly QueueEntry[];
      /** On which data sets runs can be started here, with the token; null where none can. */
      readonly datasets: readonly string[] | null;
      /** Keys of runs that can be asked to stop, besides those of the queue, and of those that can go on where they were stopped. */
      readonly stoppable: readonly string[];
      readonly resumable: readonly string[];
    }
  /** What went wrong with the folders or the queue; and whether they are still looked through for the first time. */
  | { readonly type: "remarks"; readonly remarks: readonly string[]; readonly isLooking: boolean };

/** The evaluations from the `from`-th on. */
export interface EvaluationsAnswer {
  readonly from: number;
  readonly evaluations: readonly Evaluation[];
}

/** What a page asks the server to do. */
export type RunsRequest =
  /** Settings as they are written; numbers and names may be several, with commas between: each combination is a run. */
  { readonly action: "start"; readonly settings: Readonly<Record<string, string>> } | { readonly action: "stop" | "resume"; readonly run: string };

/** What became of a request to start runs: how many were put into the queue, and the labels of those that are there already. */
export interface StartAnswer {
  readonly queued: number;
  readonly there: readonly string[];
}

/** The header that a token is sent in. */
export const TOKEN_HEADER = "x-gradalign-token";
