/** @file Files that a user names for a command to write. */
import { basename, dirname, extname, resolve } from "node:path";
import { writeFileAtomic } from "@gradalign/robustness/node";
import { isEvaluationFolder, isRunFolder } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";

/** What an evaluation writes, but for its report. */
const OF_EVALUATIONS: readonly string[] = [".json", ".jsonl", ".lock", ".safetensors", ".bin"];

/**
 * Writes a file whole or not at all, in place of what is there, but never in place of a run's or an evaluation's own files.
 *
 * @throws ConfigError for a run's settings, notes and checkpoints, or an evaluation's; FileError when it cannot be written.
 */
export function writeOutput(file: string, content: string | Uint8Array): void {
  const folder = dirname(resolve(file));
  const own = isRunFolder(folder) ? [".json", ".jsonl", ".lock"].includes(extname(file)) : basename(folder) === "checkpoints" && isRunFolder(dirname(folder));
  if (own || (isEvaluationFolder(folder) && OF_EVALUATIONS.includes(extname(file)))) {
    throw new ConfigError(`--out ${file} would replace a file of the ${own ? "run" : "evaluation"} in ${folder}; name another file`);
  }
  writeFileAtomic(file, content);
}
