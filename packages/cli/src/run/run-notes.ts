/**
 * @file What the command keeps in a run folder besides the library's files.
 *
 * `session.json`: where the run is computed and what its data were; `robustness.jsonl`: one line per attack on a saved model;
 * `attack-parts.jsonl`: the same for some of the images, while an attack goes on.
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
const PARTS_FILE = "attack-parts.jsonl";

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
  appendLine(join(folder, ROBUSTNESS_FILE), record);
}

/** An attack's outcome on some of its images. */
export interface AttackPart extends Pick<RobustnessRecord, "iteration" | "attack" | "epsilon" | "seed" | "n" | "seconds"> {
  /** Test images before this part's `n`. */
  readonly skip: number;
  /** Images classified correctly without and under attack. */
  readonly clean: number;
  readonly robust: number;
  /** Sum of the cross-entropies under attack. */
  readonly loss: number;
  /** Images whose logits were not finite. */
  readonly nonFinite?: number;
}

/** Adds a part of an attack to the run. */
export function noteAttackPart(folder: string, part: AttackPart): void {
  appendLine(join(folder, PARTS_FILE), part);
}

/** The parts of attacks noted so far. */
export function readAttackParts(folder: string): AttackPart[] {
  return readLines<AttackPart>(join(folder, PARTS_FILE));
}

/** The outcomes of all attacks on the run's models; of equal attacks on the same checkpoint the latest. */
export function readRobustness(folder: string): RobustnessRecord[] {
  const records = new Map<string, RobustnessRecord>();
  for (const record of readLines<RobustnessRecord>(join(folder, ROBUSTNESS_FILE))) {
    records.set([record.which, record.attack, record.epsilon, record.n, record.seed].join(" "), record);
  }
  return [...records.values()];
}

/** Adds a line; one before it that a kill cut off must not take this one along. */
function appendLine(file: string, value: object): void {
  const cutOff = existsSync(file) && !readFileSync(file, "utf8").endsWith("\n");
  appendFileSync(file, `${cutOff ? "\n" : ""}${JSON.stringify(value)}\n`);
}

/** A file's lines as JSON; a line that a kill cut off is as if never written. */
function readLines<Line>(file: string): Line[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return line === "" ? [] : [JSON.parse(line) as Line];
      } catch {
        return [];
      }
    });
}
