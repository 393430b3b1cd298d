/** @file The runs and plans of some folders as they are now, and what has changed since they were looked at before. */

import { realpathSync, statSync } from "node:fs";
import { resolve, sep } from "node:path";
import { finishedFolder } from "../folder/node-attempts.ts";
import { readPlan } from "../plan/node-plan.ts";
import { planStatus } from "../plan/node-plan-status.ts";
import type { Plan, PlannedRun } from "../plan/plan.ts";
import { describeSettings } from "../settings/describe.ts";
import { type FoundPlan, type FoundRun, findRuns, runKey } from "./node-find-runs.ts";
import { type ReadRun, readRun } from "./node-run-summary.ts";
import { turns } from "./node-turns.ts";
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
  /** Looks again, a little at a time, and tells what it finds now and then. Not twice at once. */
  look(onChange: (change: Change) => void): Promise<void>;
  /** The key of a run with that id in a folder of runs; undefined if the folder is none that is served. */
  keyOf(runs: string, id: string): string | undefined;
}

/** Milliseconds between two times that changes are told. */
const TELL_MS = 100;

/** An index over folders, which need not be there yet; `isOurs` says whether this process computes a run. */
export function runIndex(given: readonly string[], isOurs: (key: string) => boolean): RunIndex {
  let roots = given.map(realOf);
  const runs = new Map<string, KnownRun>();
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
  const lookAtPlans = async (found: readonly FoundPlan[], rest: () => Promise<void>): Promise<string[]> => {
    const known = new Map<string, Planned>();
    const summaries: PlanSummary[] = [];
    const problems: string[] = [];
    for (const { file, runs: all, root } of found) {
      const plan = planIn(file);
      try {
        if (typeof plan === "string") throw new Error(plan);
        for (const run of plan.runs) known.set(keyOf(all, run.id) ?? run.id, { runs: all, run });
        summaries.push(summaryOf(plan, all, placeKey(all) ?? "", keyOf, runs));
      } catch (error) {
        problems.push((error as Error).message.replaceAll(`${root}${sep}`, ""));
      }
      await rest();
    }
    plans = summaries;
    planned = known;
    return problems;
  };
  return {
    runs,
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
    async look(onChange) {
      roots = given.map(realOf);
      const rest = turns();
      const seen = new Set<string>();
      let [changed, told] = [[] as RunSummary[], performance.now()];
      const finding = findRuns(roots);
      let next = finding.next();
      for (; !next.done; next = finding.next()) {
        const { value: found } = next;
        const before = runs.get(found.key);
        const now = readRun(found, before, isOurs);
        seen.add(found.key);
        runs.set(found.key, { found, ...now });
        if (before?.summary !== now.summary) changed.push(now.summary);
        if (changed.length > 0 && performance.now() - told > TELL_MS) {
          onChange({ changed, removed: [] });
          [changed, told] = [[], performance.now()];
        }
        await rest();
      }
      const removed = [...runs.keys()].filter((key) => !seen.has(key));
      for (const key of removed) runs.delete(key);
      if (changed.length + removed.length > 0) onChange({ changed, removed });
      const { plans: found, folders: all, remarks: said } = next.value;
      folders = all;
      remarks = [...said, ...(await lookAtPlans(found, rest))];
    },
  };
}

/** A plan's state; a run that is there is as it is, also where it is trained in its place and not by workers. */
function summaryOf(plan: KnownPlan, all: string, folder: string, keyOf: RunIndex["keyOf"], known: ReadonlyMap<string, KnownRun>): PlanSummary {
  const { runs, ...status } = planStatus(all, plan);
  const shown = runs.map((run): ShownPlannedRun => {
    const key = keyOf(all, run.id) ?? run.id;
    const state = known.get(key)?.summary.state;
    const own = state === undefined || state === "unreadable" ? run.state : state === "stopped" ? "waiting" : state === "stopping" ? "running" : state;
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
