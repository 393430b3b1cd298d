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

/** What there is in some folders. */
export interface FoundRuns {
  readonly runs: readonly FoundRun[];
  /** Files of plans, with the folder of their runs. */
  readonly plans: readonly { readonly file: string; readonly runs: string; readonly root: string }[];
  /** Everything that was looked into. */
  readonly folders: readonly string[];
  readonly remarks: readonly string[];
}

/** Folders below one that is served. */
const MOST_DEPTH = 5;
/** More runs are not shown at once. */
const MOST_RUNS = 2000;
/** What is never a folder of runs. */
const SKIPPED: readonly string[] = ["node_modules", "differing", "logs"];

/** Looks for runs in folders, which may be runs themselves. */
export function findRuns(roots: readonly string[]): FoundRuns {
  const runs: FoundRun[] = [];
  const plans: FoundRuns["plans"][number][] = [];
  const folders: string[] = [];
  const remarks: string[] = [];
  for (const [i, root] of roots.entries()) {
    const keyOf = (folder: string): string => runKey(i, root, folder);
    const nameOf = (folder: string): string => {
      const inside = relative(root, folder).split(sep).join("/");
      return roots.length === 1 && inside !== "" ? inside : [basename(root), inside].filter(Boolean).join("/");
    };
    const add = (place: string, folder: string, attempt: FoundRun["attempt"] = null): void => {
      runs.push({ key: keyOf(place), name: nameOf(place), root, folder, attempt });
    };
    const look = (folder: string, depth: number): void => {
      const entries = entriesOf(folder);
      folders.push(folder);
      if (entries.some((entry) => entry.name === "config.json" && !entry.isDirectory()) && isRunFolder(folder)) return add(folder, folder);
      for (const entry of entries) {
        const { name } = entry;
        const inside = join(folder, name);
        // A link is none of them.
        if (!entry.isDirectory() || name.startsWith(".") || SKIPPED.includes(name) || runs.length > MOST_RUNS) continue;
        if (name === "attempts") lookAtAttempts(folder, inside);
        else if (name === "plans") {
          folders.push(inside);
          // The runs of a plan are beside it; those of experiments have a folder of their own there.
          const beside = join(folder, "trainings");
          for (const plan of foldersIn(inside)) {
            const file = join(inside, plan, "plan.json");
            if (existsSync(file) && isInside(file, root)) plans.push({ file, runs: existsSync(beside) ? beside : folder, root });
          }
        } else if (depth < MOST_DEPTH) look(inside, depth + 1);
      }
    };
    const lookAtAttempts = (all: string, attempts: string): void => {
      folders.push(attempts);
      for (const id of foldersIn(attempts)) {
        folders.push(join(attempts, id));
        const [folder, place] = [attemptFolderIn(all, id), join(all, id)];
        if (!folder || isRunFolder(place)) continue;
        folders.push(folder);
        add(place, folder, { runs: all, id });
      }
    };
    if (existsSync(root)) look(root, 0);
    else remarks.push(`${basename(root)} is not there; runs are shown when it is`);
  }
  if (runs.length > MOST_RUNS) remarks.push(`there are more than ${MOST_RUNS} runs; name a folder with fewer`);
  return { runs: runs.slice(0, MOST_RUNS), plans, folders, remarks };
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
