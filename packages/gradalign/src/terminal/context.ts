/** @file What every command gets: where to write, and a place for its exit code. */
import type { Streams } from "./streams.ts";

/** One invocation. */
export interface Context {
  readonly streams: Streams;
  /** The command line, without the program's name. */
  readonly argv: readonly string[];
  /** Set by a command that ends in order but not with success, e.g. when interrupted. */
  exitCode: number;
}

/** Writes a line of a result. */
export function print(context: Context, text: string): void {
  context.streams.stdout.write(`${text}\n`);
}

/** Writes a line about what is going on, apart from results. */
export function remark(context: Context, text: string): void {
  context.streams.stderr.write(`${text}\n`);
}
