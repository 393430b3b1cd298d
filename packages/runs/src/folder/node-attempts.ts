/**
 * @file Who may write a run that several workers may be given: numbered attempts, of which only the newest counts.
 *
 * A queue gives a run to another worker when it has heard nothing of the first for a while; but the first may have been frozen only, and
 * wakes. So two workers share no file. A claim takes the next number, exclusively (`attempts/<id>/<n>.json`), and has a run folder of its
 * own beside it (`attempts/<id>/<n>/`), in which it goes on from where the furthest attempt came. It is looked at before every write; one
 * that is not the newest any more stops, and what it writes too late nobody reads. A finished run is renamed into its place, `<id>/`, and
 * never written again. Neither clocks nor times of files are asked, only whether a name exists, and what a claim holds: on network file
 * systems too both can be relied on.
 */
import { createHash, randomUUID } from "node:crypto";
import { cpSync, existsSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { canonicalJson } from "@gradalign/formats";
import { checkForm, parseJsonForm, type RunSeal } from "@gradalign/robustness";
import { BusyError, isRunning, type Lock, makeFolder, onFile, readIfThere, readManifests, writeFileAtomic } from "@gradalign/robustness/node";
import { ConfigError, DataError, GradalignError } from "@gradalign/tensor";
import { z } from "zod";
import { NOTES, readRobustness, TRACKER_NOTES } from "./node-notes.ts";
import { createRun, isRunFolder, openRun, type Run } from "./node-run.ts";
import { RUN_FILES, type SavedSnapshot } from "./run-files.ts";

const ATTEMPTS = "attempts";
/** Results that should have been equal to others and are not. */
const DIFFERING = "differing";
/** Attempts that fail without coming any further before a run is given up. */
export const MAX_FAILURES = 3;

/** The newest claim on a run. */
export interface Holder {
  readonly number: number;
  readonly host: string;
  readonly pid: number;
  /** ISO date and time by the holder's clock. */
  readonly since: string;
}

/** A claim as another process is told of it. */
export interface Claim {
  /** The folder of all runs. */
  readonly runs: string;
  readonly id: string;
  readonly number: number;
  /** What the claim's file holds, its maker's alone. */
  readonly token: string;
}

/** A claim on a run: the right to write it, as long as it is the newest. */
export interface Attempt extends Claim, Lock {
  /** The attempt's own run folder. */
  readonly folder: string;
}

/** An attempt that failed. */
export interface Failure {
  readonly attempt: number;
  readonly host: string;
  readonly date: string;
  readonly message: string;
  /** The furthest checkpoint then: one that failed and has come further since has not failed in the same way again. */
  readonly iteration: number;
  /** Whether trying again is of no use. */
  readonly final: boolean;
}

const holderForm = z.object({ host: z.string(), pid: z.int().min(1), since: z.string() });
const failureForm = z.object({ attempt: z.int(), host: z.string(), date: z.string(), message: z.string(), iteration: z.int(), final: z.boolean() });

/** The place of a finished run. */
export function finishedFolder(runs: string, id: string): string {
  return join(runs, plainId(id));
}

/** An id as a folder's name; ids come from queues, where anybody may have put them. */
function plainId(id: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}$/.test(id) && id !== ATTEMPTS && id !== DIFFERING) return id;
  throw new ConfigError(
    `run id ${JSON.stringify(id.slice(0, 80))} must be letters, digits and ._=+- of at most 200 characters; ids are made by "gradalign plan"`,
  );
}

/** The place of a run's attempts. */
export function attemptsFolder(runs: string, id: string): string {
  return join(runs, ATTEMPTS, plainId(id));
}

/** The numbers of a run's attempts, rising. */
function numbersOf(runs: string, id: string): number[] {
  return namesIn(attemptsFolder(runs, id))
    .flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** How many attempts at a run were begun. */
export function attemptsBegun(runs: string, id: string): number {
  return numbersOf(runs, id).at(-1) ?? 0;
}

/** What is in a folder; nothing if it is not there. */
export function namesIn(folder: string): string[] {
  return onFile("read", folder, () => {
    try {
      return readdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
}

/**
 * Claims a run; whoever had it before will find out at the next write.
 *
 * @returns undefined if the run is finished.
 * @throws FileError when nothing can be written there.
 */
export function claimRun(runs: string, id: string): Attempt | undefined {
  const place = attemptsFolder(runs, id);
  const isFinished = (): boolean => isRunFolder(finishedFolder(runs, id));
  if (isFinished()) return undefined;
  const token = JSON.stringify({ host: hostname(), pid: process.pid, since: new Date().toISOString(), token: randomUUID() });
  for (let number = (numbersOf(runs, id).at(-1) ?? 0) + 1; ; number++) {
    makeFolder(place);
    const file = join(place, `${number}.json`);
    if (!onFile("write", file, () => madeExclusively(file, token))) continue;
    // Finished since it was looked at; whoever did it may not have seen this claim.
    if (isFinished()) {
      removeAttempts(runs, id);
      return undefined;
    }
    // Network file systems may show a new name late, but never an old content to whoever opens a file.
    for (const older of numbersOf(runs, id)) if (older < number) voidClaim(join(place, `${older}.json`));
    return attemptOf({ runs, id, number, token });
  }
}

/** Takes its content from a claim that is not the newest any more. */
function voidClaim(file: string): void {
  try {
    truncateSync(file);
  } catch {
    // Finished elsewhere this moment, or a full disk: the newer name is there in any case.
  }
}

/** The attempt of a claim, which another process may have made. */
export function attemptOf({ runs, id, number, token }: Claim): Attempt {
  const place = attemptsFolder(runs, id);
  return {
    ...{ runs, id, number, token, folder: join(place, String(number)) },
    assertHeld() {
      const newest = numbersOf(runs, id).at(-1);
      if (newest === number && readIfThere(join(place, `${number}.json`))?.toString() === token) return;
      throw new BusyError(
        `${id}: attempt ${number} is over, ${newest === undefined ? "the run was finished" : `attempt ${newest > number ? newest : "after it"} was made`} elsewhere; nothing more is written`,
      );
    },
  };
}

/** Writes a file that must not be there; whether it was not. */
function madeExclusively(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    // The disk is full: a claim that says nothing would end that of whoever works.
    rmSync(file, { force: true });
    throw error;
  }
}

/** Who made the newest attempt at a run that is not finished. */
export function holderOf(runs: string, id: string): Holder | undefined {
  const number = numbersOf(runs, id).at(-1);
  if (number === undefined) return undefined;
  try {
    return { number, ...checkForm(JSON.parse(readIfThere(join(attemptsFolder(runs, id), `${number}.json`))?.toString() ?? ""), "claim", holderForm, "") };
  } catch {
    // A claim whose writer was killed before it had written its name, or something else.
    return { number, host: "unknown", pid: 0, since: "unknown" };
  }
}

/**
 * Who works on a run, as far as can be told from here: whoever made the newest claim and has neither failed nor given it back, but for a process
 * of this machine that is gone.
 */
export function workerOf(runs: string, id: string): Holder | undefined {
  const holder = holderOf(runs, id);
  if (!holder || holder.pid === 0 || [failureFile, leftFile].some((file) => existsSync(file(runs, id, holder.number)))) return undefined;
  return holder.host !== hostname() || isRunning(holder.pid) ? holder : undefined;
}

/** The run folder of the newest attempt that has begun to train; for whoever shows a run that goes on. */
export function attemptFolder(runs: string, id: string): string | undefined {
  return numbersOf(runs, id)
    .map((number) => join(attemptsFolder(runs, id), String(number)))
    .findLast(isRunFolder);
}

/**
 * Brings what the furthest earlier attempt reached into the claim's folder.
 *
 * @param usable whether this process could go on with a run that was computed like that.
 * @returns whether there is a run to resume.
 */
export function carryOver(attempt: Attempt, usable: (seal: RunSeal) => boolean): boolean {
  const { runs, id, number, folder } = attempt;
  const earlier = numbersOf(runs, id)
    .filter((other) => other < number)
    .map((other) => join(attemptsFolder(runs, id), String(other)));
  let furthest: { run: Run; snapshot: SavedSnapshot } | undefined;
  for (const other of earlier) {
    const found = checkpointIn(other);
    if (found?.run.seal && usable(found.run.seal) && found.snapshot.iteration >= (furthest?.snapshot.iteration ?? 0)) furthest = found;
  }
  if (!furthest) {
    // To trackers it is still the same run.
    const begun = earlier.findLast((other) => existsSync(other));
    if (begun) bringNotes(begun, folder, Object.values(TRACKER_NOTES));
    return false;
  }
  const { run, snapshot } = furthest;
  const { sink } = createRun(folder, run.config, attempt);
  sink.rewind?.(snapshot.evaluations ?? []);
  bringNotes(run.folder, folder, NOTES);
  if (run.hasCheckpoint("best")) sink.save("best", run.loadCheckpoint("best"));
  // The last write: from here on this attempt is the one to go on from.
  sink.save("last", snapshot);
  for (const other of earlier) rmSync(other, { recursive: true, force: true });
  return true;
}

/** Copies notes of an attempt, as far as there are any. */
function bringNotes(from: string, to: string, names: readonly string[]): void {
  for (const name of names) {
    const noted = join(from, name);
    if (existsSync(noted)) onFile("write", to, () => cpSync(noted, join(to, name), { recursive: true }));
  }
}

/** A run that can be gone on with; its writer may still be alive, or may have been killed at any moment. */
function checkpointIn(folder: string): { run: Run; snapshot: SavedSnapshot } | undefined {
  if (!isRunFolder(folder)) return undefined;
  try {
    const run = openRun(folder);
    return run.hasCheckpoint("last") ? { run, snapshot: run.loadCheckpoint("last") } : undefined;
  } catch (error) {
    if (error instanceof GradalignError) return undefined;
    throw error;
  }
}

/**
 * Puts the attempt's finished run into its place. Where another has put the same run there already, they must be equal.
 *
 * @returns the run's folder.
 * @throws DataError when they are not, with both kept; BusyError when the attempt is not the newest.
 */
export function publishRun(attempt: Attempt): string {
  const { runs, id, number, folder } = attempt;
  const target = finishedFolder(runs, id);
  if (!renamed(folder, target)) {
    const [theirs, ours] = [resultDigest(target), resultDigest(folder)];
    if (theirs !== ours) {
      const kept = differingFolder(runs, id, number, ours);
      makeFolder(join(runs, DIFFERING));
      onFile("write", kept, () => renameSync(folder, kept));
      throw new DataError(
        `${id}: two computations of this run differ (sha256 ${theirs.slice(0, 12)}… in ${target}, ${ours.slice(0, 12)}… in ${kept}); ` +
          "both are kept: compare the machines, then remove one",
      );
    }
  }
  removeAttempts(runs, id);
  return target;

  function renamed(from: string, to: string): boolean {
    if (existsSync(to)) return false;
    attempt.assertHeld();
    try {
      renameSync(from, to);
      return true;
    } catch (error) {
      if (existsSync(to)) return false;
      return onFile("write", to, () => {
        throw error;
      });
    }
  }
}

/** Forgets a finished run's attempts. */
export function removeAttempts(runs: string, id: string): void {
  try {
    rmSync(attemptsFolder(runs, id), { recursive: true, force: true });
  } catch {
    // Somebody claims the run this moment, and will see that it is finished.
  }
}

/** Results that should have been equal to those that came first: by their runs' ids, the folders in which they are kept. */
export function differingRuns(runs: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of namesIn(join(runs, DIFFERING))) {
    const id = name.replace(/-[^-]+-[0-9a-f]{12}$/, "");
    found.set(id, [...(found.get(id) ?? []), join(runs, DIFFERING, name)]);
  }
  return found;
}

/** The place of a result that differs from its run's first. */
export function differingFolder(runs: string, id: string, number: number, digest: string): string {
  return join(runs, DIFFERING, `${plainId(id)}-${number}-${digest.slice(0, 12)}`);
}

/** Everything of a run's outcome but times, hashed: equal for equal runs, wherever and in however many attempts they were computed. */
export function resultDigest(folder: string): string {
  const run = openRun(folder);
  const timeless = (record: object) => ({ ...record, seconds: 0 });
  const tensors = (["last", "best"] as const).map((kind) => (run.hasCheckpoint(kind) ? run.loadCheckpoint(kind).sha256 : null));
  const outcome = { config: run.config, evaluations: run.evaluations.map(timeless), robustness: readRobustness(folder).map(timeless), tensors };
  // Numbers that are not finite are null in JSON.
  return createHash("sha256")
    .update(canonicalJson(JSON.parse(JSON.stringify(outcome))))
    .digest("hex");
}

/** Where it is noted that an attempt failed, and that it was given back. */
const failureFile = (runs: string, id: string, number: number): string => join(attemptsFolder(runs, id), `${number}.failed.json`);
const leftFile = (runs: string, id: string, number: number): string => join(attemptsFolder(runs, id), `${number}.left`);

/** Notes that an attempt was given back, as far as that can be: nobody works on it any more. */
export function noteLeft({ runs, id, number }: Pick<Attempt, "runs" | "id" | "number">): void {
  try {
    writeFileSync(leftFile(runs, id, number), "");
  } catch {
    // The disk is full, or the run was finished elsewhere: it is only shown as worked on for longer.
  }
}

/** Notes that an attempt failed. */
export function noteFailure({ runs, id, number }: Pick<Attempt, "runs" | "id" | "number">, message: string, final: boolean): void {
  const place = attemptsFolder(runs, id);
  const iterations = numbersOf(runs, id).flatMap((other) =>
    readManifests(join(place, String(other), RUN_FILES.checkpoints), ["last"]).manifests.map(({ iteration }) => iteration),
  );
  const failure: Failure = { attempt: number, host: hostname(), date: new Date().toISOString(), message, iteration: Math.max(0, ...iterations), final };
  writeFileAtomic(failureFile(runs, id, number), `${JSON.stringify(failure)}\n`);
}

/** The failures of a run's attempts so far, oldest first. */
export function failuresOf(runs: string, id: string): Failure[] {
  return numbersOf(runs, id).flatMap((number) => {
    const file = failureFile(runs, id, number);
    const content = readIfThere(file);
    return content ? [parseJsonForm(content.toString(), file, failureForm, "delete it; the attempt then does not count as failed")] : [];
  });
}

/** Whether a run is given up: it failed too often at the same place, or in a way that will not change. */
export function isGivenUp(failures: readonly Failure[]): boolean {
  const here = failures.filter(({ iteration }) => iteration === failures.at(-1)?.iteration);
  return here.length >= MAX_FAILURES || failures.some(({ final }) => final);
}

/** Forgets a run's failures, so that it is tried again. */
export function forgiveFailures(runs: string, id: string): void {
  for (const { attempt } of failuresOf(runs, id)) rmSync(failureFile(runs, id, attempt), { force: true });
}
