/** @file Reading files that may be anything: a folder, a pipe nobody writes to, too large, or JSON of another form. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { DataError } from "@gradalign/tensor";
import type { z } from "zod";
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
  return parseJson(readRegularFile(file).toString(), file, schema, remedy);
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

/** As {@link readJsonLines}, of a text that has been read. */
export function parseJsonLines<Schema extends z.ZodType>(text: string, file: string, schema: Schema, remedy: string): z.output<Schema>[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, i) => parseJson(line, `${file}, line ${i + 1}`, schema, remedy));
}

function parseJson<Schema extends z.ZodType>(text: string, where: string, schema: Schema, remedy: string): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${where} is not JSON (${(error as Error).message}); ${remedy}`, { cause: error });
  }
  return checkForm(value, where, schema, remedy);
}

/**
 * The value, if it has the schema's form.
 *
 * @throws DataError naming where it comes from, the field and what was expected.
 */
export function checkForm<Schema extends z.ZodType>(value: unknown, where: string, schema: Schema, remedy: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues as [z.core.$ZodIssue];
  const field = issue.path.length > 0 ? `, field ${issue.path.join(".")}` : "";
  const expected = issue.code === "invalid_type" ? `expected ${issue.expected}` : issue.message.replace(/^Invalid \w+: /, "");
  throw new DataError(`${where}${field}: ${expected}, got ${describe(value, issue.path)}; ${remedy}`);
}

/** What lies at a path, in short. */
function describe(value: unknown, path: readonly PropertyKey[]): string {
  let found = value;
  for (const key of path) found = Object.entries(found as object).find(([name]) => name === String(key))?.[1];
  const text = JSON.stringify(found) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
