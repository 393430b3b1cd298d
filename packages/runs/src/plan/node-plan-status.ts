/** @file How far a plan has come, from the runs' folder alone. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, readIfThere, readJson, writeFileAtomic } from "@gradalign/robustness/node";
import { GradalignError } from "@gradalign/tensor";
import { z } from "zod";
import { attemptFolder, attemptsBegun, differingRuns, failuresOf, finishedFolder, isGivenUp, namesIn, workerOf } from "../folder/node-attempts.ts";
import { isRunFolder, openRun } from "../folder/node-run.ts";
import { formatPlan, readPlan } from "./node-plan.ts";
import type { Plan, PlannedRun, PlanStatus, QueuedState, RunStatus } from "./plan.ts";

/** What is known of a plan that was submitted: by which engine, and what that calls its jobs. */
export interface Submission {
  readonly engine: string;
  readonly jobs: readonly string[];
}

const submissionForm = z.object({ engine: z.string(), jobs: z.array(z.string().regex(/^\d+$/)) });
/** What is noted of a run's end. */
const endForm = z.looseObject({ diverged: z.exactOptional(z.string()) });
const [PLANS, PLAN, CANCELLED] = ["plans", "plan.json", "cancelled"];

/** What is kept of a plan beside its runs: the plan, its submission, scripts and logs. */
export function planFolder(runs: string, { id }: Pick<Plan, "id">): string {
  return join(runs, PLANS, id);
}

/** Notes that a plan was submitted, and takes back that it was cancelled. */
export function noteSubmission(runs: string, plan: Plan, submission: Submission): void {
  const folder = planFolder(runs, plan);
  makeFolder(folder);
  writeFileAtomic(join(folder, PLAN), formatPlan(plan));
  writeFileAtomic(join(folder, "submission.json"), `${JSON.stringify(submission)}\n`);
  rmSync(join(folder, CANCELLED), { force: true });
}

/** How a plan was submitted last; undefined if it was not. */
export function readSubmission(runs: string, plan: Pick<Plan, "id">): Submission | undefined {
  const file = join(planFolder(runs, plan), "submission.json");
  return readIfThere(file) ? readJson(file, submissionForm, "delete it, and submit the plan again") : undefined;
}

/** The plans that were submitted with this folder of runs; those that cannot be read are left out. */
export function submittedPlans(runs: string): Plan[] {
  return namesIn(join(runs, PLANS)).flatMap((id) => {
    try {
      return [readPlan(join(planFolder(runs, { id }), PLAN))];
    } catch (error) {
      if (error instanceof GradalignError) return [];
      throw error;
    }
  });
}

/** Says that a plan is to be left; whoever works on it looks now and then. */
export function cancelPlan(runs: string, plan: Pick<Plan, "id">): void {
  makeFolder(planFolder(runs, plan));
  writeFileAtomic(join(planFolder(runs, plan), CANCELLED), "");
}

/** Whether it was. */
export function isCancelled(runs: string, plan: Pick<Plan, "id">): boolean {
  return existsSync(join(planFolder(runs, plan), CANCELLED));
}

/** Whether a run's result is in its place. */
export function isPlannedFinished(runs: string, { id }: Pick<PlannedRun, "id">): boolean {
  return isRunFolder(finishedFolder(runs, id));
}

/**
 * How far the plan has come.
 *
 * @param queued what a queue says of its runs, where it was asked; of those that are not finished it is shown.
 */
export function planStatus(runs: string, plan: Plan, queued?: ReadonlyMap<string, QueuedState>): PlanStatus {
  const differing = differingRuns(runs);
  const list = plan.runs.map((run) => {
    const status = runStatus(runs, run);
    const others = differing.get(run.id);
    return {
      ...status,
      ...(others ? { differing: others } : {}),
      ...(queued && status.state !== "finished" ? { queue: queued.get(run.id) ?? "missing" } : {}),
    };
  });
  const of = (state: RunStatus["state"]): number => list.filter((run) => run.state === state).length;
  const epochs = list.reduce((sum, run) => sum + run.epochs, 0);
  const done = list.reduce((sum, run) => sum + (run.state === "finished" ? run.epochs : Math.min(run.epoch ?? 0, run.epochs)), 0);
  return {
    ...{ plan: plan.id, name: plan.name, total: list.length },
    ...{ finished: of("finished"), running: of("running"), waiting: of("waiting"), failed: of("failed") },
    differing: list.filter((run) => run.differing).length,
    progress: epochs > 0 ? done / epochs : 1,
    cancelled: isCancelled(runs, plan),
    runs: list,
  };
}

function runStatus(runs: string, run: PlannedRun): RunStatus {
  const shown = { id: run.id, label: run.label, epochs: run.config.epochs };
  try {
    return readStatus(runs, shown);
  } catch (error) {
    // What is damaged there says so, and keeps no others from being shown.
    if (error instanceof GradalignError) return { ...shown, state: "failed", message: error.message };
    throw error;
  }
}

function readStatus(runs: string, shown: Pick<RunStatus, "id" | "label" | "epochs">): RunStatus {
  const { id } = shown;
  if (isPlannedFinished(runs, { id })) {
    const diverged = divergedIn(finishedFolder(runs, id));
    return { ...shown, state: "finished", ...(diverged ? { message: `diverged: ${diverged}` } : {}) };
  }
  const failures = failuresOf(runs, id);
  const message = failures.at(-1)?.message;
  const attempt = attemptsBegun(runs, id);
  const epoch = epochOf(attemptFolder(runs, id));
  const more = { ...(epoch === undefined ? {} : { epoch }), ...(message === undefined ? {} : { message }), ...(attempt === 0 ? {} : { attempt }) };
  if (isGivenUp(failures)) return { ...shown, ...more, state: "failed" };
  const worker = workerOf(runs, id);
  return worker ? { ...shown, ...more, state: "running", host: worker.host, pid: worker.pid } : { ...shown, ...more, state: "waiting" };
}

function divergedIn(folder: string): string | undefined {
  const file = join(folder, "finished.json");
  return readIfThere(file) ? readJson(file, endForm, "delete it").diverged : undefined;
}

function epochOf(folder: string | undefined): number | undefined {
  try {
    return folder === undefined ? undefined : openRun(folder).evaluations.at(-1)?.epoch;
  } catch (error) {
    // It is being written, or was finished this moment.
    if (error instanceof GradalignError) return undefined;
    throw error;
  }
}
