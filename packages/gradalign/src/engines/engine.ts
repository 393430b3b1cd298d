/**
 * @file What an engine is: a way of handing a plan's runs to whoever computes them. One engine is one file and a line in the registry.
 *
 * Engines only say who is to do what next. Claiming a run, keeping the claim, finishing it and failing are the same for all: names in the
 * runs' folder (`claimRun`, `assertHeld`, `publishRun` and `noteFailure` of `@gradalign/runs/node`). What is finished, failed or under way
 * is read there, and never asked of an engine.
 */
import type { Plan, PlannedRun } from "@gradalign/runs";
import type { Submission, TrackerChoice } from "@gradalign/runs/node";
import type { Context } from "../terminal/context.ts";

/** How a plan is handed over. */
export interface EngineOptions {
  /** Folder of all runs. */
  readonly runs: string;
  /** Runs at a time; what the engine thinks best unless set. */
  readonly jobs: number | undefined;
  /** Address of the queue, for engines that have one. */
  readonly queue: string | undefined;
  /** Options for the scheduler, for engines that have one. */
  readonly scheduler: readonly string[];
  /** Where the runs' numbers are sent besides; as it was asked for, and read. */
  readonly tracked: string | undefined;
  readonly track: readonly TrackerChoice[];
  readonly json: boolean;
}

/** An engine. */
export interface Engine {
  readonly help: string;
  /** @throws ConfigError for options that are not for this engine, before anything is written. */
  check(options: EngineOptions): void;
  /**
   * Hands over the runs that are not finished; handing over twice does no harm.
   *
   * @returns what the engine calls its jobs.
   */
  submit(plan: Plan, pending: readonly PlannedRun[], options: EngineOptions, context: Context): Promise<readonly string[]>;
  /** Takes back what nobody works on; who works on a run finds out from the runs' folder. */
  cancel(plan: Plan, submission: Submission, options: EngineOptions): Promise<void>;
}
