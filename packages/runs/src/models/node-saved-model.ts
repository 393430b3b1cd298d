/** @file A saved model named on the command line: a run folder, or a checkpoint file in one. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ConfigError } from "@gradalign/tensor";
import { openRun, type Run } from "../folder/node-run.ts";
import type { SavedSnapshot } from "../folder/run-files.ts";

/** Which checkpoint. */
export type Which = "last" | "best";

/** A checkpoint of a run. */
export interface SavedModel {
  readonly run: Run;
  /** The run's folder. */
  readonly folder: string;
  readonly which: Which;
  readonly snapshot: SavedSnapshot;
}

/**
 * Loads a checkpoint.
 *
 * @param path a run folder, or `last.json` or `best.json` in its checkpoints folder.
 * @param which which checkpoint of a run folder; `last` unless set.
 * @throws ConfigError when there is no run at the path; CheckpointError when the checkpoint cannot be used.
 */
export function loadSavedModel(path: string, which: Which | undefined, onRefused: (text: string) => void): SavedModel {
  const { folder, named } = locate(path);
  if (named && which && named !== which) throw new ConfigError(`--which (=${which}) must be left out or be ${named}, which ${path} names`);
  const run = openRun(folder);
  const chosen = named ?? which ?? "last";
  const snapshot = run.loadCheckpoint(chosen, { onRefused: ({ file, reason }) => onRefused(`${file} is not used: ${reason}`) });
  return { run, folder, which: chosen, snapshot };
}

function locate(path: string): { folder: string; named: Which | undefined } {
  if (!existsSync(path)) throw new ConfigError(`"${path}" must be a run folder or a checkpoint in one; nothing is there`);
  if (statSync(path).isDirectory()) {
    // The folder of the checkpoints stands for its run.
    const parent = dirname(path);
    return { folder: !existsSync(join(path, "config.json")) && existsSync(join(parent, "config.json")) ? parent : path, named: undefined };
  }
  const match = /^(last|best)(-\d+-[0-9a-f]+)?(\.previous)?\.(json|safetensors)$/.exec(basename(path));
  if (!match) throw new ConfigError(`"${path}" must be a run folder, or last.json or best.json in its checkpoints folder`);
  return { folder: dirname(dirname(path)), named: match[1] as Which };
}
