/**
 * @file What the command keeps in a run folder besides the library's files.
 *
 * `session.json`: where the run is computed and what its data were; `robustness.jsonl`: one line per attack on a saved model.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "@gradalign/tensor";
import type { RobustnessRecord, RunMachine } from "../report/report-data.ts";

/** A run's surroundings. */
export interface RunSession {
  readonly machine: RunMachine;
  /** Number of classes of the data set. */
  readonly classes: number;
  /** SHA-256 of the data set's files when they are the user's own. */
  readonly dataset: string | null;
}

const SESSION_FILE = "session.json";
const ROBUSTNESS_FILE = "robustness.jsonl";

/**
 * Notes the session; a resumed run must have the same data as before.
 *
 * @throws DataError when the data set changed since the run began.
 */
export function noteSession(folder: string, session: RunSession): void {
  const before = readSession(folder);
  if (before && (before.dataset !== session.dataset || before.classes !== session.classes)) {
    throw new DataError(
      `${folder}: the data set is not the one the run began with (sha256 ${before.dataset?.slice(0, 12)}, now ${session.dataset?.slice(0, 12)}); restore it, or start a new run`,
    );
  }
  writeFileSync(join(folder, SESSION_FILE), `${JSON.stringify(session, undefined, 2)}\n`);
}

/** The noted session, if there is one that can be read. */
export function readSession(folder: string): RunSession | null {
  try {
    return JSON.parse(readFileSync(join(folder, SESSION_FILE), "utf8")) as RunSession;
  } catch {
    // Absent, or cut off by a kill: it only holds remarks.
    return null;
  }
}

/** Adds an attack's outcome to the run. */
export function noteRobustness(folder: string, record: RobustnessRecord): void {
  appendFileSync(join(folder, ROBUSTNESS_FILE), `${JSON.stringify(record)}\n`);
}

/** The outcomes of all attacks on the run's models; of equal attacks on the same checkpoint the latest. */
export function readRobustness(folder: string): RobustnessRecord[] {
  const file = join(folder, ROBUSTNESS_FILE);
  if (!existsSync(file)) return [];
  const records = new Map<string, RobustnessRecord>();
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const record = parseLine(line);
    if (record) records.set([record.which, record.attack, record.epsilon, record.n, record.seed].join(" "), record);
  }
  return [...records.values()];
}

/** A line that a kill cut off is as if never written. */
function parseLine(line: string): RobustnessRecord | undefined {
  try {
    return line === "" ? undefined : (JSON.parse(line) as RobustnessRecord);
  } catch {
    return undefined;
  }
}
