/** @file One attempt at a run, and what its end means for whoever gave it out. */
import { DataError, GradalignError } from "@gradalign/tensor";
import { type Attempt, claimRun, failuresOf, isGivenUp, noteFailure, noteLeft, publishRun } from "../folder/node-attempts.ts";
import type { Exchange } from "../store/node-exchange.ts";

/** How an attempt ended. */
export type WorkOutcome =
  | { readonly kind: "done" }
  /** It was told to stop, and is given back for others to go on with. */
  | { readonly kind: "stopped" }
  /** It cannot go on here and now, which is not its fault. */
  | { readonly kind: "later"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string /** Whether it is given up. */; readonly final: boolean };

/** What went wrong, in a form that passes between processes. */
export interface Trouble {
  readonly message: string;
  /** Whose fault it is: the run's, which may go well another time; its settings', which will not; the place's, such as a full disk. */
  readonly fault: "run" | "settings" | "place";
}

/** Exit codes of one run, for schedulers that know nothing else of it. */
export const EXIT_CODES = { done: 0, again: 75, never: 42 } as const;

/** The exit code for an outcome. */
export function exitCodeOf(outcome: WorkOutcome): number {
  if (outcome.kind === "done") return EXIT_CODES.done;
  return outcome.kind === "failed" && outcome.final ? EXIT_CODES.never : EXIT_CODES.again;
}

/** Where runs are kept. */
export interface RunsPlace {
  /** The folder of all runs; of this machine alone where there is an exchange. */
  readonly runs: string;
  /** The store through which the folders of several machines know of each other. */
  readonly exchange?: Exchange | undefined;
}

/**
 * Claims a run, works on it and puts it into its place. Never throws: what goes wrong is noted in the runs' folder.
 *
 * @param work resolves to whether the run came to its end (it may have been told to stop), or to what went wrong.
 */
export async function attemptRun(
  { runs, exchange }: RunsPlace,
  id: string,
  signal: AbortSignal,
  work: (attempt: Attempt) => Promise<boolean | Trouble>,
): Promise<WorkOutcome> {
  let attempt: Attempt | undefined;
  let outcome: WorkOutcome;
  try {
    await exchange?.fetch(id);
    const before = failuresOf(runs, id);
    if (isGivenUp(before)) return { kind: "failed", message: before.at(-1)?.message ?? "", final: true };
    attempt = exchange ? await exchange.claim(id) : claimRun(runs, id);
    if (!attempt) return { kind: "done" };
    const end = await work(attempt);
    // What is being sent is not moved meanwhile.
    await exchange?.settled(attempt);
    outcome = end === true ? published(attempt) : end === false || signal.aborted ? { kind: "stopped" } : outcomeOf(end, attempt);
  } catch (error) {
    // A note that somebody must put in order is no matter of time.
    const isDamaged = !attempt && error instanceof DataError;
    outcome = signal.aborted ? { kind: "stopped" } : isDamaged ? { kind: "failed", message: error.message, final: true } : outcomeOf(troubleOf(error), attempt);
  }
  if (attempt && (outcome.kind === "stopped" || outcome.kind === "later")) noteLeft(attempt);
  if (!attempt || !exchange) return outcome;
  try {
    await exchange.leave(attempt, outcome.kind === "done");
    return outcome;
  } catch (error) {
    return error instanceof DataError ? differing(error) : outcomeOf(troubleOf(error), undefined);
  }
}

function published(attempt: Attempt): WorkOutcome {
  try {
    publishRun(attempt);
    return { kind: "done" };
  } catch (error) {
    return error instanceof DataError ? differing(error) : outcomeOf(troubleOf(error), attempt);
  }
}

/** Two results that differ: no third will tell which is right. */
function differing({ message }: DataError): WorkOutcome {
  return { kind: "failed", message, final: true };
}

/** What an error says of trying again. */
export function troubleOf(error: unknown): Trouble {
  const message = error instanceof Error ? (error instanceof GradalignError ? error.message : (error.stack ?? error.message)) : String(error);
  const code = error instanceof GradalignError ? error.code : "";
  return { message, fault: isFull(error) || code === "EngineError" ? "place" : code === "ConfigError" ? "settings" : "run" };
}

function outcomeOf({ message, fault }: Trouble, attempt: Attempt | undefined): WorkOutcome {
  // An id that is none has no folder in which that could be noted.
  if (!attempt && fault === "settings") return { kind: "failed", message, final: true };
  if (!attempt || fault === "place") return { kind: "later", message };
  try {
    attempt.assertHeld();
    noteFailure(attempt, message, fault === "settings");
    return { kind: "failed", message, final: isGivenUp(failuresOf(attempt.runs, attempt.id)) };
  } catch (late) {
    return { kind: "later", message: late instanceof Error ? late.message : message };
  }
}

/** Whether it was the disk that had no room. */
function isFull(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (["ENOSPC", "EDQUOT", "EFBIG"].includes((cause as NodeJS.ErrnoException).code ?? "")) return true;
  }
  return false;
}
