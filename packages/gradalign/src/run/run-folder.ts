/** @file Names of run folders, and not writing over what is there. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TrainConfig } from "@gradalign/robustness";
import { requireWritable } from "@gradalign/robustness/node";
import { radius } from "@gradalign/runs";
import { isRunLock } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";

/** `runs/<date>-<model>-<method>-eps<e>-seed<s>`, with a number after it if that folder is taken. */
export function defaultRunFolder(config: TrainConfig, now: Date = new Date()): string {
  const epsilon = radius(config.epsilon).replace("/255", "");
  return freeFolder(join("runs", `${timestamp(now)}-${config.model.name}-${config.method.name}-eps${epsilon}-seed${config.seed}`));
}

/** Local date and time, sortable and free of colons: `2026-03-01-1405`. */
export function timestamp(now: Date): string {
  const pad = (value: number) => String(value).padStart(2, "0");
  return `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}-${pad(now.getHours())}${pad(now.getMinutes())}`;
}

/** The folder's name, or the first of `name-2`, `name-3`, … that is not taken. */
export function freeFolder(name: string): string {
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}-${i}`;
    if (!existsSync(candidate)) return candidate;
  }
}

/**
 * Makes sure, before long work begins, that a new run can be written and overwrites nothing.
 *
 * @throws ConfigError when the folder exists and is not empty; FileError when it cannot be written to.
 */
export function requireFreeFolder(folder: string, resumeHint?: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return requireWritable(folder);
    throw new ConfigError(`--out (="${folder}") must be a folder that is empty or not there (${(error as NodeJS.ErrnoException).code}); name another`, {
      cause: error,
    });
  }
  // A lock is for whoever comes to take it: left by a killed process, it is taken over.
  const others = names.filter((name) => !isRunLock(name));
  if (others.length > 0)
    throw new ConfigError(
      `--out (="${folder}") must be empty or not there, it holds ${others.length} files; name another${resumeHint === undefined ? "" : `, or ${resumeHint}`}`,
    );
  requireWritable(folder);
}
