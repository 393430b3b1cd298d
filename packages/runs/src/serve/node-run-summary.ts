/** @file A run's folder as the page of runs shows it, read again only when one of its files has changed. */
import { statSync } from "node:fs";
import { hostname } from "node:os";
import { join, sep } from "node:path";
import { type Evaluation, runOutcome } from "@gradalign/robustness";
import { readManifests } from "@gradalign/robustness/node";
import { failuresOf, isGivenUp, workerOf } from "../folder/node-attempts.ts";
import { readRobustness, readSession } from "../folder/node-notes.ts";
import { chanceOf } from "../folder/node-read-run.ts";
import { isRunOwned, openRun, type Run } from "../folder/node-run.ts";
import { RUN_FILES } from "../folder/run-files.ts";
import { describeRun, describeSettings, reproduceCommand } from "../settings/describe.ts";
import { type FoundRun, leadsOut } from "./node-find-runs.ts";
import type { RunState, RunSummary, ShownAlarm } from "./protocol.ts";

const { checkpoints: CHECKPOINTS } = RUN_FILES;

/** A run as it was read last. */
export interface ReadRun {
  /** What its files were like. */
  readonly mark: string;
  readonly summary: RunSummary;
  readonly evaluations: readonly Evaluation[];
}

/** Files of a run that tell of news. */
const FILES: readonly string[] = [
  "config.json",
  "metrics.jsonl",
  "session.json",
  "robustness.jsonl",
  CHECKPOINTS,
  join(CHECKPOINTS, "last.json"),
  "finished.json",
];

/** Reads a run, of which it is said whether this process computes it; gives back what was read before if nothing has changed since. Never throws: a run that cannot be read says why. */
export function readRun(found: FoundRun, before: ReadRun | undefined, isOurs: (key: string) => boolean): ReadRun {
  const isWorkedOn = worksOn(found, isOurs);
  const mark = `${found.folder} ${isWorkedOn} ${failuresIn(found).length} ${FILES.map((name) => stamp(join(found.folder, name))).join(" ")}`;
  if (before?.mark === mark) return before;
  try {
    const out = leadsOut(found.folder, found.root);
    if (out !== undefined) return unreadable(found, mark, `${out} is a link that leads out of the folder; nothing of the run is read`);
    const run = openRun(found.folder);
    const evaluations = run.sealedEvaluations();
    return { mark, evaluations, summary: summaryOf(found, run, evaluations, isWorkedOn) };
  } catch (error) {
    return unreadable(found, mark, (error as Error).message.replaceAll(`${found.root}${sep}`, ""));
  }
}

function summaryOf(found: FoundRun, run: Run, evaluations: readonly Evaluation[], isWorkedOn: boolean): RunSummary {
  const { key, name, folder } = found;
  const { config } = run;
  const session = readSession(folder);
  const outcome = runOutcome(evaluations, chanceOf(run), config.method.name !== "standard", session?.majority);
  const last = evaluations.at(-1) ?? null;
  const failures = failuresIn(found);
  const state = ((): RunState => {
    if (isWorkedOn) return "running";
    if (isGivenUp(failures)) return "failed";
    // The last step is evaluated in any case; one that diverged has no more steps.
    return (last?.epoch ?? 0) >= config.epochs || outcome?.kind === "diverged" ? "finished" : "stopped";
  })();
  return {
    ...{ key, name, state, problem: failures.at(-1)?.message ?? null },
    description: describeRun(config),
    settings: Object.fromEntries(describeSettings(config)),
    ...{ epochs: config.epochs, evaluations: evaluations.length, last },
    // While a run goes on it may have learned nothing yet.
    outcome: outcome && (state !== "running" || outcome.overfitting || outcome.kind === "diverged") ? { kind: outcome.kind, evidence: outcome.evidence } : null,
    overfitting: outcome?.overfitting ?? null,
    alarms: run.alarms.map((alarm): ShownAlarm => ({ ...alarm, epoch: epochOf(alarm.iteration, last) })),
    checkpoints: (["last", "best"] as const).flatMap((which) => {
      const [manifest] = readManifests(join(folder, CHECKPOINTS), [which]).manifests;
      return manifest ? [{ which, iteration: manifest.iteration, epoch: manifest.epoch }] : [];
    }),
    robustness: readRobustness(folder),
    machine: session?.machine ?? null,
    command: reproduceCommand(config),
  };
}

function unreadable({ key, name }: FoundRun, mark: string, problem: string): ReadRun {
  const nothing = { epochs: 0, evaluations: 0, last: null, outcome: null, overfitting: null, alarms: [], checkpoints: [], robustness: [], machine: null };
  return { mark, evaluations: [], summary: { key, name, state: "unreadable", problem, description: "", settings: {}, command: "", ...nothing } };
}

/** Alarms know their iteration only. */
function epochOf(iteration: number, last: Evaluation | null): number {
  return last && last.iteration > 0 ? (iteration * last.epoch) / last.iteration : 0;
}

/** Whether a process trains it, as far as can be told from here. */
function worksOn({ key, folder, attempt }: FoundRun, isOurs: (key: string) => boolean): boolean {
  try {
    if (!attempt) return isRunOwned(folder);
    const worker = workerOf(attempt.runs, attempt.id);
    // Of a claim of its own this process knows better, also where the disk was full when it was given back.
    return worker !== undefined && (worker.pid !== process.pid || worker.host !== hostname() || isOurs(key));
  } catch {
    return false;
  }
}

function failuresIn({ attempt }: FoundRun): ReturnType<typeof failuresOf> {
  try {
    return attempt ? failuresOf(attempt.runs, attempt.id) : [];
  } catch {
    return [];
  }
}

/** Time and size of a file. */
function stamp(file: string): string {
  try {
    const { mtimeMs, size } = statSync(file);
    return `${mtimeMs}:${size}`;
  } catch {
    return "-";
  }
}
