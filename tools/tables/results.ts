/** @file Committed results, and the line that says where numbers come from. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { paragraph } from "./markdown.ts";

/** The folder of committed results. */
export const RESULTS: string = fileURLToPath(new URL("../../experiments/results/", import.meta.url));

/** What computed some numbers, and when. */
export interface Source {
  readonly commit: string | null;
  readonly date: string;
  readonly node: string;
  readonly processor: string;
  readonly backend: string;
}

/** A file of results; whoever wrote it is trusted with its form. */
export function readResults<Results>(file: string): Results {
  return JSON.parse(readFileSync(file, "utf8")) as Results;
}

/** Names files of results with commit, date and machine; those that share them in one sentence. */
export function sourceLine(files: readonly string[], sources: readonly Source[]): string {
  const bySource = new Map<string, string[]>();
  for (const [i, { commit, date, node, processor, backend }] of sources.entries()) {
    const origin = `commit ${commit ?? "unknown"}, ${date.slice(0, 10)}, ${backend} on Node ${node}, ${processor}`;
    const name = basename(files[i] as string);
    bySource.set(origin, [...(bySource.get(origin) ?? []), `[${name}](/experiments/results/${name})`]);
  }
  return paragraph([...bySource].map(([origin, names]) => `From ${names.join(", ")} (${origin}).`).join(" "));
}
