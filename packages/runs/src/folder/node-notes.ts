/**
 * @file What the command keeps in a run folder besides the library's files.
 *
 * `session.json`: where the run is computed and what was asked of it besides its settings; `robustness.jsonl`: one line per attack on a saved
 * model; `attack-parts.jsonl`: the same for some of the images, while an attack goes on; `log.jsonl`: what happened, for people. Only the owner
 * of the run's lock writes here, but for the log, which also says why there is none.
 */
import { appendFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { accepts, ruleOf } from "@gradalign/robustness";
import { onFile, readIfThere, readJson, readJsonLines, writeFileAtomic } from "@gradalign/robustness/node";
import { z } from "zod";
import type { LogLine, RunEvent, RunView } from "../run/events.ts";
import type { RobustnessRecord } from "../run/run-data.ts";
import { RUN_OPTIONS, type RunSettings } from "../settings/run-options.ts";
import { RUN_FILES, type RunSession } from "./run-files.ts";

const SESSION_FILE = RUN_FILES.session;
const ROBUSTNESS_FILE = "robustness.jsonl";
const PARTS_FILE = "attack-parts.jsonl";
const LOG_FILE = "log.jsonl";
/** What trackers keep in a run folder, by their names. */
export const TRACKER_NOTES = { mlflow: "mlflow.json", tensorboard: "tensorboard" } as const;
/** All notes: what goes along when a run goes on in another folder. */
export const NOTES: readonly string[] = [SESSION_FILE, ROBUSTNESS_FILE, PARTS_FILE, LOG_FILE, ...Object.values(TRACKER_NOTES)];

const asked = Object.fromEntries(
  Object.entries(RUN_OPTIONS).map(([name, option]) => [name, z.exactOptional(z.custom((value) => accepts(option, value), `must be ${ruleOf(option)}`))]),
);
const sessionForm = z.object({
  machine: z.object({ backend: z.string(), threads: z.int().min(1), version: z.string(), node: z.string() }),
  asked: z.strictObject(asked).transform((settings) => settings as RunSettings),
  majority: z.exactOptional(z.number().min(0).max(1)),
});

const count = z.int().min(0);
/** JSON writes null for what is not finite. */
const measured = z.number().or(z.null().transform(() => Number.NaN));
const share = z.number().min(0).max(1);
const robustnessForm = z.looseObject({
  which: z.enum(["last", "best"]),
  iteration: count,
  attack: z.string(),
  epsilon: z.number(),
  n: count,
  seed: count,
  cleanAccuracy: share,
  robustAccuracy: share,
  confidence95: z.tuple([measured, measured]),
  meanLoss: measured,
  seconds: z.number(),
});
const partForm = z.looseObject({
  iteration: count,
  attack: z.string(),
  epsilon: z.number(),
  seed: count,
  skip: count,
  n: count,
  clean: count,
  robust: count,
  loss: measured,
  seconds: z.number(),
});

const logForm = z.looseObject({ date: z.string(), type: z.string() });
/** Events that the log does without: they come by the second, or are in the run's other files. */
const NOT_LOGGED: readonly string[] = ["run", "data", "step", "evaluation", "checkpoint", "attacking", "robustness", "report"];

/** Notes the session. */
export function noteSession(folder: string, session: RunSession): void {
  writeFileAtomic(join(folder, SESSION_FILE), `${JSON.stringify(session, undefined, 2)}\n`);
}

/**
 * The noted session; null if there is none.
 *
 * @throws DataError when there is one that cannot be read.
 */
export function readSession(folder: string): RunSession | null {
  const file = join(folder, SESSION_FILE);
  return readIfThere(file) ? readJson(file, sessionForm, "restore it, or delete it and give --backend, --final-attack and the like again") : null;
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
  return readJsonLines(join(folder, PARTS_FILE), partForm, "delete the line; its images are attacked again");
}

/** The outcomes of all attacks on the run's models; of equal attacks on the same checkpoint the latest. */
export function readRobustness(folder: string): RobustnessRecord[] {
  const records = new Map<string, RobustnessRecord>();
  for (const record of readJsonLines(join(folder, ROBUSTNESS_FILE), robustnessForm, 'delete the line, and repeat "gradalign eval"')) {
    records.set([record.which, record.attack, record.epsilon, record.n, record.seed].join(" "), record);
  }
  return [...records.values()];
}

/** Adds an event to the run's log. One that cannot be written is not worth a run. */
export function noteEvent(folder: string, event: RunEvent | { readonly type: "failed"; readonly message: string }): void {
  try {
    appendLine(join(folder, LOG_FILE), { date: new Date().toISOString(), ...event });
  } catch {
    // Full or gone: the run itself will say so.
  }
}

/** The run's log so far, oldest first; one that cannot be read is as none. */
export function readLog(folder: string): LogLine[] {
  try {
    return readJsonLines(join(folder, LOG_FILE), logForm, "");
  } catch {
    return [];
  }
}

/** A view that keeps a log too. */
export function loggedView(folder: string, view: RunView): RunView {
  return {
    event(run, event) {
      if (!NOT_LOGGED.includes(event.type)) noteEvent(folder, event);
      view.event(run, event);
    },
    note: view.note,
  };
}

/** Adds a line; one before it that a kill cut off goes. */
function appendLine(file: string, value: object): void {
  const content = readIfThere(file);
  const whole = content ? content.lastIndexOf(0x0a) + 1 : 0;
  onFile("write", file, () => {
    if (content && whole < content.length) truncateSync(file, whole);
    appendFileSync(file, `${JSON.stringify(value)}\n`);
  });
}
