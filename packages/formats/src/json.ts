/** @file JSON details that checksums and strict readers depend on: one spelling per value, no name given twice, no bottomless nesting. */
import { LIMITS } from "./limits.ts";

/** A value JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * The value's only spelling: no white space, keys sorted. As in `JSON.stringify`, NaN and infinities become null and keys
 * with an undefined value are left out.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
    return `{${fields.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/**
 * `JSON.parse` for text or UTF-8 from outside: a name given twice in an object is refused, where `JSON.parse` would silently keep
 * the later one, and so is nesting beyond the limit, where whoever walks the value would overflow the stack.
 *
 * @throws SyntaxError whose message goes on after the file's name, e.g. `is not JSON (…)`.
 */
export function parseJson(source: string | Uint8Array): unknown {
  let value: unknown;
  let text: string;
  try {
    text = typeof source === "string" ? source : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(source);
    if (depthOf(text) <= LIMITS.jsonDepth) value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`is not JSON (${(error as Error).message})`, { cause: error });
  }
  if (value === undefined) throw new SyntaxError(`is nested more than ${LIMITS.jsonDepth} deep`);
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) throw new SyntaxError(`has the name ${shown(duplicate)} twice`);
  return value;
}

function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (const { mark } of marks(text)) {
    if (mark === "{" || mark === "[") deepest = Math.max(deepest, ++depth);
    else if (mark !== '"') depth--;
  }
  return deepest;
}

/** The first key that some object of a valid JSON text has twice; `JSON.parse` would silently keep the later one. */
export function findDuplicateKey(text: string): string | undefined {
  const scopes: Set<string>[] = [];
  const colon = /\s*:/y;
  for (const { mark, start, end } of marks(text)) {
    if (mark === "{") scopes.push(new Set());
    else if (mark === "}") scopes.pop();
    else if (mark === '"') {
      // A string is a key if a colon follows it.
      colon.lastIndex = end;
      if (!colon.test(text)) continue;
      const key = JSON.parse(text.slice(start, end)) as string;
      if (scopes.at(-1)?.has(key)) return key;
      scopes.at(-1)?.add(key);
    }
  }
  return undefined;
}

/** A value as JSON for a message, cut where it is long. */
export function shown(value: unknown): string {
  return clipped(JSON.stringify(value) ?? String(value));
}

/** A text for a message, cut where it is long. */
export function clipped(text: string): string {
  return text.length > LIMITS.shown ? `${text.slice(0, LIMITS.shown)}…` : text;
}

/** The brackets and strings of a JSON text in order. One loop for strings: a regular expression overflows its stack on long ones. */
function* marks(text: string): Generator<{ readonly mark: string; readonly start: number; readonly end: number }> {
  const next = /["{}[\]]/g;
  for (let found = next.exec(text); found; found = next.exec(text)) {
    const [mark] = found;
    const start = found.index;
    if (mark === '"') {
      let at = start + 1;
      while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      next.lastIndex = at + 1;
    }
    yield { mark, start, end: next.lastIndex };
  }
}
