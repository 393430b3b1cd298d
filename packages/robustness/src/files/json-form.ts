/** @file JSON from outside in the form that a schema says, or an error that names the place and the field. */
import { DataError } from "@gradalign/tensor";
import type { z } from "zod";

/**
 * The values of a text with one JSON text a line. What follows the last line's end was cut off by a kill, and counts as never written.
 *
 * @param file its name, for messages.
 * @param remedy what to do about a text of another form.
 * @throws DataError naming the line and the field when one is not JSON or of another form.
 */
export function parseJsonLines<Schema extends z.ZodType>(text: string, file: string, schema: Schema, remedy: string): z.output<Schema>[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, i) => parseJsonForm(line, `${file}, line ${i + 1}`, schema, remedy));
}

/**
 * A JSON text's value.
 *
 * @param where where it comes from, for messages.
 * @throws as {@link parseJsonLines}.
 */
export function parseJsonForm<Schema extends z.ZodType>(text: string, where: string, schema: Schema, remedy: string): z.output<Schema> {
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
