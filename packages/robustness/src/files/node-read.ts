/** @file Reading files that may be anything: a folder, a pipe nobody writes to, too large, or JSON of another form. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { z } from "zod";
import { parseJsonForm, parseJsonLines } from "./json-form.ts";
import { FileError, onFile } from "./node-file-error.ts";

/** What Node reads into memory at once. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * A regular file's content; never waits for a pipe.
 *
 * @throws FileError naming the file when it is not there, is something else, or cannot be read.
 */
export function readRegularFile(file: string): Buffer {
  return onFile("read", file, () => {
    const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const found = fstatSync(descriptor);
      if (found.isDirectory()) throw new FileError(`cannot read ${file}: it is a folder, not a file; put the file there, or remove the folder`);
      if (!found.isFile()) throw new FileError(`cannot read ${file}: it is a device or a pipe, not a regular file; put the file there`);
      if (found.size > MAX_BYTES) throw new FileError(`cannot read ${file}: it has ${found.size} bytes, at most ${MAX_BYTES} can be read; divide it`);
      return readFileSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

/** As {@link readRegularFile}; undefined when nothing has that name. */
export function readIfThere(file: string): Buffer | undefined {
  try {
    return readRegularFile(file);
  } catch (error) {
    if (error instanceof FileError && (error.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * A JSON file's value in the form that its schema says.
 *
 * @param remedy what to do about a file that has another.
 * @throws FileError when it cannot be read; DataError naming the file and the field when it is not JSON or of another form.
 */
export function readJson<Schema extends z.ZodType>(file: string, schema: Schema, remedy: string): z.output<Schema> {
  return parseJsonForm(readRegularFile(file).toString(), file, schema, remedy);
}

/**
 * The values of a file with one JSON text a line, in the form that the schema says; none where the file is not there. What follows the last
 * line's end was cut off by a kill, and counts as never written.
 *
 * @throws as {@link readJson}; the error also names the line.
 */
export function readJsonLines<Schema extends z.ZodType>(file: string, schema: Schema, remedy: string): z.output<Schema>[] {
  return parseJsonLines(readIfThere(file)?.toString() ?? "", file, schema, remedy);
}
