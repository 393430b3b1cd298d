/** @file A run's folder as the page of runs shows it, read again only when one of its files has changed. */
import { statSync } from "node:fs";
import { hostname } from "node:os";
import { isAbsolute, join, relative, sep } from "node:path";
import { type Evaluation, type Outcome, runOutcome } from "@gradalign/robustness";
import { readManifests } from "@gradalign/robustness/node";
import { failuresOf, isGivenUp, workerOf } from "../folder/node-attempts.ts";
import { readAttackParts, readLog, readRobustness, readSession } from "../folder/node-notes.ts";
import { chanceOf } from "../folder/node-read-run.ts";
import { isRunOwned, openRun, type Run } from "../folder/node-run.ts";
import { isAskedToStop } from "../folder/node-stop.ts";
import { RUN_FILES } from "../folder/run-files.ts";
import type { LogLine } from "../run/events.ts";
import { describeRun, describeSettings, reproduceCommand, shellWord } from "../settings/describe.ts";
import { type FoundRun, leadsOut } from "./node-find-runs.ts";
import type { RunState, RunSummary, ShownAlarm, ShownAttack } from "./protocol.ts";

const { checkpoints: CHECKPOINTS } = RUN_FILES;

/** A run as it was read last. */
export interface ReadRun {
  /** What its files were like. */
  readonly mark: string;
  readonly summary: RunSummary;
}

/** Files of a run that tell of news. */
const FILES: readonly string[] = [
  "config.json",
  "metrics.jsonl",
  "session.json",
  "robustness.jsonl",
  "attack-parts.jsonl",
  CHECKPOINTS,
  join(CHECKPOINTS, "last.json"),
  "finished.json",
  "log.jsonl",
];

/** Reads a run, of which it is said whether this process computes it; gives back what was read before if nothing has changed since. Never throws: a run that cannot be read says why. */
export function readRun(found: FoundRun, before: ReadRun | undefined, isOurs: (key: string) => boolean): ReadRun {
  const isWorkedOn = worksOn(found, isOurs);
  const mark = `${found.folder} ${isWorkedOn} ${isAskedToStop(found.folder)} ${failuresIn(found).length} ${FILES.map((name) => stamp(join(found.folder, name))).join(" ")}`;
  if (before?.mark === mark) return before;
  try {
    const out = leadsOut(found.folder, found.root);
    if (out !== undefined) return unreadable(found, mark, `${out} is a link that leads out of the folder; nothing of the run is read`);
    const run = openRun(found.folder);
    return { mark, summary: summaryOf(found, run, isWorkedOn) };
  } catch (error) {
    return unreadable(found, mark, (error as Error).message.replaceAll(`${found.root}${sep}`, ""));
  }
}

/** A run's evaluations as they are now; none where it cannot be read. */
export function evaluationsIn({ folder, root }: FoundRun): readonly Evaluation[] {
  try {
    return leadsOut(folder, root) === undefined ? openRun(folder).sealedEvaluations() : [];
  } catch {
    return [];
  }
}

/** A run's log as it is now, without where the folders lie. */
export function logIn({ folder, root }: FoundRun): LogLine[] {
  if (leadsOut(folder, root) !== undefined) return [];
  return readLog(folder).map((line) => JSON.parse(JSON.stringify(line).replaceAll(`${root}${sep}`, "")) as LogLine);
}

/** Why a run went no further, as its log says last; null if it does not. */
function lastFailure(found: FoundRun): string | null {
  const last = logIn(found).at(-1);
  return last?.type === "failed" ? String(last["message"]) : null;
}

function summaryOf(found: FoundRun, run: Run, isWorkedOn: boolean): RunSummary {
  const { key, name, folder } = found;
  const { config } = run;
  const evaluations = run.sealedEvaluations();
  const session = readSession(folder);
  const outcome = runOutcome(evaluations, chanceOf(run), config.method.name !== "standard", session?.majority);
  const last = evaluations.at(-1) ?? null;
  const failures = failuresIn(found);
  const problem = failures.at(-1)?.message ?? (isWorkedOn ? null : lastFailure(found));
  const state = ((): RunState => {
    if (isWorkedOn) return isAskedToStop(folder) ? "stopping" : "running";
    if (isGivenUp(failures)) return "failed";
    // The last step is evaluated in any case; one that diverged has no more steps.
    if ((last?.epoch ?? 0) >= config.epochs || outcome?.kind === "diverged") return "finished";
    return problem === null || found.attempt ? "stopped" : "failed";
  })();
  return {
    ...{ key, name, state, problem },
    description: describeRun(config),
    settings: Object.fromEntries(describeSettings(config)),
    ...{ epochs: config.epochs, evaluations: evaluations.length, last },
    outcome: outcome && isKnown(outcome, state) ? { kind: outcome.kind, evidence: outcome.evidence } : null,
    overfitting: outcome?.overfitting ?? null,
    alarms: run.alarms.map((alarm): ShownAlarm => ({ ...alarm, epoch: epochOf(alarm.iteration, last) })),
    checkpoints: (["last", "best"] as const).flatMap((which) => {
      const [manifest] = readManifests(join(folder, CHECKPOINTS), [which]).manifests;
      return manifest ? [{ which, iteration: manifest.iteration, epoch: manifest.epoch }] : [];
    }),
    robustness: readRobustness(folder),
    attacked: isWorkedOn && (last?.epoch ?? 0) >= config.epochs ? attackIn(folder) : null,
    machine: session?.machine ?? null,
    command: reproduceCommand(config),
    resume: ["stopped", "failed"].includes(state) ? resumeCommand(found) : null,
  };
}

function unreadable({ key, name }: FoundRun, mark: string, problem: string): ReadRun {
  const nothing = {
    epochs: 0,
    evaluations: 0,
    last: null,
    outcome: null,
    overfitting: null,
    alarms: [],
    checkpoints: [],
    robustness: [],
    attacked: null,
    machine: null,
    resume: null,
  };
  return { mark, summary: { key, name, state: "unreadable", problem, description: "", settings: {}, command: "", ...nothing } };
}

/** The attack that goes on, as far as it is noted and can be read. */
function attackIn(folder: string): ShownAttack | null {
  try {
    const part = readAttackParts(folder).at(-1);
    return part ? { attack: part.attack, iteration: part.iteration, images: part.skip + part.n } : null;
  } catch {
    return null;
  }
}

/** Whether more steps will not make it untrue: a run that has not come to its end may have learned nothing yet. */
function isKnown({ kind, overfitting }: Outcome, state: RunState): boolean {
  if (overfitting || kind === "diverged" || state === "finished") return true;
  return kind === "healthy" && state !== "running" && state !== "stopping";
}

/** What goes on with a run that is trained in its place, from the folder in which the server was started; null where its folder is not below that one. */
function resumeCommand({ folder, attempt }: FoundRun): string | null {
  const path = relative(process.cwd(), folder);
  const isBelow = path !== ".." && !path.startsWith(`..${sep}`) && !isAbsolute(path);
  return attempt || !isBelow ? null : `gradalign train --resume ${shellWord(path || ".")}`;
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
