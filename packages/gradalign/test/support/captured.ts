/** @file Runs command lines inside the test, with what they write kept for inspection. */
import { runCli } from "../../src/cli.ts";
import type { Streams } from "../../src/terminal/streams.ts";

/** What a command line left. */
export interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `gradalign` with these arguments. */
export async function gradalign(...argv: string[]): Promise<Captured> {
  const written = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({
    write(text: string) {
      written[name] += text;
    },
  });
  const streams: Streams = { stdout: stream("stdout"), stderr: stream("stderr") };
  const code = await runCli(argv, streams);
  return { code, ...written };
}

/** Each line of a text as JSON. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
