/** @file A file of weights or a graph: whose name is in every error, and whose bytes have a checksum. */
import { createHash } from "node:crypto";
import { type ByteSource, FormatError } from "@gradalign/formats";
import { fileSource, filesBeside } from "@gradalign/robustness/node";
import type { ModelBytes } from "./open-model.ts";

/** Read at once for a checksum. */
const PIECE = 2 ** 24;

/**
 * A model's file; nothing of it is read yet.
 *
 * @throws FileError when it is not there, is something else, or cannot be read.
 */
export function modelFile(path: string): ModelBytes {
  const source = fileSource(path);
  const beside = filesBeside(path);
  const opened = new Map<string, ByteSource>();
  return {
    source,
    external(location) {
      const found = opened.get(location) ?? beside(location);
      opened.set(location, found);
      return found;
    },
    sha256() {
      const hash = createHash("sha256");
      const others = [...opened].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, other]) => other);
      for (const { size, read } of [source, ...others]) {
        for (let start = 0; start < size; start += PIECE) hash.update(read(start, Math.min(start + PIECE, size)));
      }
      return hash.digest("hex");
    },
  };
}

/** Does something with a file; what is said to be wrong with its format names it. */
export async function ofFile<Result>(path: string, work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(error.problem, `${path}: ${error.message}`, { cause: error });
    throw error;
  }
}
