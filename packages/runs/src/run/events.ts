/** @file What happens during a run. */
import type { Outcome, TrainEvent } from "@gradalign/robustness";
import type { RobustnessRecord, RunMachine } from "./run-data.ts";

/** Events of a run: the library's, and what is done around them. */
export type RunEvent =
  | TrainEvent
  | { readonly type: "run"; readonly directory: string; readonly description: string; readonly resumed: boolean; readonly machine: RunMachine }
  /** The images that were read, and where their classes are from: `labels`, a list's file name, or a known data set's `definition`. */
  | { readonly type: "data"; readonly train: number; readonly test: number; readonly classes: number; readonly classesFrom: string }
  | { readonly type: "attacking"; readonly attack: string; readonly which: string; readonly done: number; readonly total: number }
  | { readonly type: "robustness"; readonly record: RobustnessRecord }
  | { readonly type: "report"; readonly path: string }
  /** How it ended, once it has. */
  | ({ readonly type: "outcome" } & Pick<Outcome, "kind" | "evidence">);

/** Who is told of runs. */
export interface RunView {
  /** Takes an event of the run with this label. */
  event(run: string, event: RunEvent): void;
  /** A remark to the user. */
  note(text: string): void;
}

/** A line of a run's log: an event, or why it did not go on. */
export interface LogLine {
  /** ISO date and time. */
  readonly date: string;
  readonly type: string;
  readonly [field: string]: unknown;
}
