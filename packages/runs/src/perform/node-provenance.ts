/** @file Which program, from which commit, on which machine. */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "./node-version.ts";

/** Where results come from. */
export interface Provenance {
  readonly version: string;
  /** Commit of the source tree, with "-dirty" if it was changed since; null for an installed package. */
  readonly commit: string | null;
  readonly node: string;
  readonly processor: string;
  readonly cores: number;
  /** ISO date and time. */
  readonly date: string;
}

/** This process's. */
export function provenance(): Provenance {
  return {
    version: VERSION,
    commit: commit(),
    node: process.versions.node,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    date: new Date().toISOString(),
  };
}

function commit(): string | null {
  const cwd = dirname(fileURLToPath(import.meta.url));
  const git = (...args: string[]): string => execFileSync("git", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    // A package inside somebody else's repository is not of that repository's commit.
    if (git("ls-files", "--error-unmatch", "../../package.json") === "") return null;
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return git("rev-parse", "HEAD").slice(0, 12) + (changed ? "-dirty" : "");
  } catch {
    return null;
  }
}
