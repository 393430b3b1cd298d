/**
 * @file Which runs lie in some folders. Links are not followed, so that nothing outside of the folders is ever named; of a run that is computed
 * by workers the newest attempt stands at the place that the finished run will have.
 */
import { type Dirent, existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { attemptFolder } from "../folder/node-attempts.ts";
import { isRunFolder } from "../folder/node-run.ts";

/** A run as it was found. */
export interface FoundRun {
  readonly key: string;
  /** For people. */
  readonly name: string;
  /** The folder that was asked for, in which it lies. */
  readonly root: string;
  readonly folder: string;
  /** Of a run that workers compute and that is not finished: the folder of all runs and its id there. */
  readonly attempt: { readonly runs: string; readonly id: string } | null;
}

/** A plan's file, with the folder of its runs. */
export interface FoundPlan {
  readonly file: string;
  readonly runs: string;
  readonly root: string;
}

/** What there is in some folders, besides runs. */
export interface Surroundings {
  readonly plans: readonly FoundPlan[];
  /** Everything that was looked into. */
  readonly folders: readonly string[];
  readonly remarks: readonly string[];
}

/** Folders below one that is served. */
const MOST_DEPTH = 5;
/** More runs are not shown at once. */
const MOST_RUNS = 5000;
/** What is never a folder of runs. */
const SKIPPED: readonly string[] = ["node_modules", "differing"];

/** Looks for runs in folders, which may be runs themselves; gives each when it is found, and in the end what else there is. */
export function* findRuns(roots: readonly string[]): Generator<FoundRun, Surroundings> {
  const plans: FoundPlan[] = [];
  const folders: string[] = [];
  const remarks: string[] = [];
  let count = 0;
  for (const [i, root] of roots.entries()) {
    const found = (place: string, folder: string, attempt: FoundRun["attempt"] = null): FoundRun => {
      count++;
      const inside = relative(root, place).split(sep).join("/");
      const name = roots.length === 1 && inside !== "" ? inside : [basename(root), inside].filter(Boolean).join("/");
      return { key: runKey(i, root, place), name, root, folder, attempt };
    };
    const look = function* (folder: string, depth: number): Generator<FoundRun> {
      const entries = entriesOf(folder);
      folders.push(folder);
      if (entries.some((entry) => entry.name === "config.json" && !entry.isDirectory()) && isRunFolder(folder)) return yield found(folder, folder);
      for (const entry of entries) {
        const { name } = entry;
        const inside = join(folder, name);
        if (count >= MOST_RUNS) return;
        // A link is none of them.
        if (!entry.isDirectory() || name.startsWith(".") || SKIPPED.includes(name)) continue;
        if (name === "attempts") yield* lookAtAttempts(folder, inside);
        else if (name === "plans") {
          folders.push(inside);
          // The runs of a plan are beside it; those of experiments have a folder of their own there.
          const beside = join(folder, "trainings");
          for (const plan of foldersIn(inside)) {
            const file = join(inside, plan, "plan.json");
            if (existsSync(file) && isInside(file, root)) plans.push({ file, runs: existsSync(beside) ? beside : folder, root });
          }
        } else if (depth < MOST_DEPTH) yield* look(inside, depth + 1);
      }
    };
    const lookAtAttempts = function* (all: string, attempts: string): Generator<FoundRun> {
      folders.push(attempts);
      for (const id of foldersIn(attempts)) {
        folders.push(join(attempts, id));
        const [folder, place] = [attemptFolderIn(all, id), join(all, id)];
        if (!folder || isRunFolder(place)) continue;
        folders.push(folder);
        yield found(place, folder, { runs: all, id });
      }
    };
    if (existsSync(root)) yield* look(root, 0);
    else remarks.push(`${basename(root)} is not there; runs are shown when it is`);
  }
  if (count >= MOST_RUNS) remarks.push(`${MOST_RUNS} runs are shown, there may be more; name a folder with fewer`);
  return { plans, folders, remarks };
}
/** What a run is asked for by: which folder, and its place in it. */
export function runKey(i: number, root: string, place: string): string {
  return `${i}/${relative(root, place).split(sep).join("/")}`;
}

/** Whether a file, links resolved, lies in a folder. */
export function isInside(file: string, root: string): boolean {
  try {
    return realpathSync(file).startsWith(`${realpathSync(root)}${sep}`);
  } catch {
    return false;
  }
}

/** The first entry of a run's folder, or of its checkpoints, that leads out of the root; undefined if none does. */
export function leadsOut(folder: string, root: string): string | undefined {
  for (const inside of [folder, join(folder, "checkpoints")]) {
    if (existsSync(inside) && inside !== root && !isInside(inside, root)) return basename(inside);
    const found = entriesOf(inside).find((entry) => entry.isSymbolicLink() && !isInside(join(inside, entry.name), root));
    if (found) return found.name;
  }
  return undefined;
}

function attemptFolderIn(runs: string, id: string): string | undefined {
  try {
    return attemptFolder(runs, id);
  } catch {
    // A name that no run has.
    return undefined;
  }
}

function foldersIn(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** What a folder holds, in order; nothing where it is gone or not to be read. */
function entriesOf(folder: string): Dirent[] {
  try {
    if (!statSync(folder).isDirectory()) return [];
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}
