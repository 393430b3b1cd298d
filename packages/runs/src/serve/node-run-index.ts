/** @file The runs and plans of some folders as they are now, and what has changed since they were looked at before. */

import { realpathSync, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { finishedFolder } from "../folder/node-attempts.ts";
import { readPlan } from "../plan/node-plan.ts";
import { planStatus } from "../plan/node-plan-status.ts";
import type { Plan, PlannedRun } from "../plan/plan.ts";
import { describeSettings } from "../settings/describe.ts";
import { type FoundRun, findRuns, runKey } from "./node-find-runs.ts";
import { type ReadRun, readRun } from "./node-run-summary.ts";
import type { PlanSummary, RunSummary, ShownPlannedRun } from "./protocol.ts";

/** A run that can be asked for. */
export interface KnownRun extends ReadRun {
  readonly found: FoundRun;
}

/** What a look has found. */
export interface Change {
  readonly changed: readonly RunSummary[];
  readonly removed: readonly string[];
}

/** A planned run, and the folder that it is for. */
export interface Planned {
  readonly runs: string;
  readonly run: PlannedRun;
}

/** A plan with its runs' settings in words, by their ids. */
interface KnownPlan extends Plan {
  readonly settings: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

/** The runs of some folders. */
export interface RunIndex {
  readonly runs: ReadonlyMap<string, KnownRun>;
  readonly plans: readonly PlanSummary[];
  /** Runs of plans by their keys. */
  readonly planned: ReadonlyMap<string, Planned>;
  readonly remarks: readonly string[];
  /** What was looked into. */
  readonly folders: readonly string[];
  /** Looks again. */
  look(): Change;
  /** The key of a run with that id in a folder of runs; undefined if the folder is none that is served. */
  keyOf(runs: string, id: string): string | undefined;
}

/** An index over folders, which need not be there yet; `isOurs` says whether this process computes a run. */
export function runIndex(given: readonly string[], isOurs: (key: string) => boolean): RunIndex {
  let roots = given.map(realOf);
  let runs: ReadonlyMap<string, KnownRun> = new Map();
  let plans: PlanSummary[] = [];
  let planned: ReadonlyMap<string, Planned> = new Map();
  let remarks: readonly string[] = [];
  let folders: readonly string[] = [];
  const read = new Map<string, { readonly mark: string; readonly plan: KnownPlan | string }>();
  /** The key of a place in one of the folders; undefined if it is in none. */
  const placeKey = (place: string): string | undefined => {
    const i = roots.findIndex((root) => place === root || place.startsWith(`${root}${sep}`));
    return i < 0 ? undefined : runKey(i, roots[i] as string, place);
  };
  const keyOf = (all: string, id: string): string | undefined => placeKey(finishedFolder(all, id));
  /** A plan's file, read again when it is another. */
  const planIn = (file: string): KnownPlan | string => {
    const mark = stamp(file);
    const before = read.get(file);
    if (before?.mark === mark) return before.plan;
    let plan: KnownPlan | string;
    try {
      const content = readPlan(file);
      plan = { ...content, settings: new Map(content.runs.map(({ id, config }) => [id, Object.fromEntries(describeSettings(config))])) };
    } catch (error) {
      plan = (error as Error).message;
    }
    read.set(file, { mark, plan });
    return plan;
  };
  return {
    get runs() {
      return runs;
    },
    get plans() {
      return plans;
    },
    get planned() {
      return planned;
    },
    get remarks() {
      return remarks;
    },
    get folders() {
      return folders;
    },
    keyOf,
    look() {
      roots = given.map(realOf);
      const found = findRuns(roots);
      const before = runs;
      const now = new Map(found.runs.map((one): [string, KnownRun] => [one.key, { found: one, ...readRun(one, before.get(one.key), isOurs) }]));
      runs = now;
      folders = found.folders;
      const known = new Map<string, Planned>();
      const problems: string[] = [];
      plans = found.plans.flatMap(({ file, runs: all, root }) => {
        const plan = planIn(file);
        if (typeof plan === "string") {
          problems.push(plan.replaceAll(`${root}${sep}`, ""));
          return [];
        }
        for (const run of plan.runs) known.set(keyOf(all, run.id) ?? run.id, { runs: all, run });
        return [summaryOf(plan, all, placeKey(all) ?? "", keyOf, now)];
      });
      planned = known;
      remarks = [...found.remarks, ...problems];
      return {
        changed: [...now.values()].flatMap(({ summary }) => (before.get(summary.key)?.summary === summary ? [] : [summary])),
        removed: [...before.keys()].filter((key) => !now.has(key)),
      };
    },
  };
}

/** A plan's state; a run that is there is as it is, also where it is trained in its place and not by workers. */
function summaryOf(plan: KnownPlan, all: string, folder: string, keyOf: RunIndex["keyOf"], known: ReadonlyMap<string, KnownRun>): PlanSummary {
  const { runs, ...status } = planStatus(all, plan);
  const shown = runs.map((run): ShownPlannedRun => {
    const key = keyOf(all, run.id) ?? run.id;
    const state = known.get(key)?.summary.state;
    const own = state === undefined || state === "unreadable" ? run.state : state === "stopped" ? "waiting" : state;
    return { ...run, key, settings: plan.settings.get(run.id) ?? {}, state: own };
  });
  const of = (state: ShownPlannedRun["state"]): number => shown.filter((run) => run.state === state).length;
  return { ...status, folder, finished: of("finished"), running: of("running"), waiting: of("waiting"), failed: of("failed"), runs: shown };
}

/** A folder without links in its path, or as it was named while it is not there. */
function realOf(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return resolve(folder);
  }
}

function stamp(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.mtimeMs}:${found.size}` : "-";
}

/** The file that a run's log is kept in. */
export function logFile(runs: string, id: string): string {
  return join(runs, "logs", `${id}.jsonl`);
}
