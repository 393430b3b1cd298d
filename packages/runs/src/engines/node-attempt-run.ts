/** @file One attempt at a run, and what its end means for whoever gave it out. */
import { DataError, GradalignError } from "@gradalign/tensor";
import { type Attempt, claimRun, failuresOf, isGivenUp, noteFailure, publishRun } from "../folder/node-attempts.ts";

/** How an attempt ended. */
export type WorkOutcome =
  | { readonly kind: "done" }
  /** It was told to stop, and is given back for others to go on with. */
  | { readonly kind: "stopped" }
  /** It cannot go on here and now, which is not its fault. */
  | { readonly kind: "later"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string /** Whether it is given up. */; readonly final: boolean };

/** Exit codes of one run, for schedulers that know nothing else of it. */
export const EXIT_CODES = { done: 0, again: 75, never: 42 } as const;

/** The exit code for an outcome. */
export function exitCodeOf(outcome: WorkOutcome): number {
  if (outcome.kind === "done") return EXIT_CODES.done;
  return outcome.kind === "failed" && outcome.final ? EXIT_CODES.never : EXIT_CODES.again;
}

/**
 * Claims a run, works on it and puts it into its place. Never throws: what goes wrong is noted in the runs' folder.
 *
 * @param work resolves to whether the run came to its end; it may have been told to stop.
 */
export async function attemptRun(runs: string, id: string, signal: AbortSignal, work: (attempt: Attempt) => Promise<boolean>): Promise<WorkOutcome> {
  let attempt: Attempt | undefined;
  try {
    const before = failuresOf(runs, id);
    if (isGivenUp(before)) return { kind: "failed", message: before.at(-1)?.message ?? "", final: true };
    attempt = claimRun(runs, id);
    if (!attempt) return { kind: "done" };
    if (!(await work(attempt))) return { kind: "stopped" };
  } catch (error) {
    return signal.aborted ? { kind: "stopped" } : outcomeOf(error, attempt);
  }
  try {
    publishRun(attempt);
    return { kind: "done" };
  } catch (error) {
    // Two results that differ: no third will tell which is right.
    return error instanceof DataError ? { kind: "failed", message: error.message, final: true } : outcomeOf(error, attempt);
  }
}

function outcomeOf(error: unknown, attempt: Attempt | undefined): WorkOutcome {
  const message = error instanceof Error ? (error instanceof GradalignError ? error.message : (error.stack ?? error.message)) : String(error);
  const final = error instanceof GradalignError && error.code === "ConfigError";
  // An id that is none has no folder in which that could be noted.
  if (!attempt && final) return { kind: "failed", message, final };
  if (!attempt || isFull(error)) return { kind: "later", message };
  try {
    attempt.assertHeld();
    return failed(attempt, message, final);
  } catch (late) {
    return { kind: "later", message: late instanceof Error ? late.message : message };
  }
}

/** Notes a failure; after too many the run is given up. */
export function failed(attempt: Pick<Attempt, "runs" | "id" | "number">, message: string, final: boolean): WorkOutcome {
  noteFailure(attempt, message, final);
  return { kind: "failed", message, final: isGivenUp(failuresOf(attempt.runs, attempt.id)) };
}

/** Whether it was the disk that had no room. */
function isFull(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (["ENOSPC", "EDQUOT", "EFBIG"].includes((cause as NodeJS.ErrnoException).code ?? "")) return true;
  }
  return false;
}
