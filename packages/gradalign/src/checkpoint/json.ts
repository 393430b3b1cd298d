/** @file JSON details that checksums and strict readers depend on: one spelling per value, and no name given twice. */

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

/** The first key that some object of a valid JSON text has twice; `JSON.parse` would silently keep the later one. */
export function findDuplicateKey(text: string): string | undefined {
  const scopes: Set<string>[] = [];
  // Outside strings, only brackets matter; a string is a key if a colon follows it.
  for (const match of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    const [token, literal, colon] = match;
    if (token === "{") scopes.push(new Set());
    else if (token === "}") scopes.pop();
    else if (colon !== undefined) {
      const key = JSON.parse(literal as string) as string;
      if (scopes.at(-1)?.has(key)) return key;
      scopes.at(-1)?.add(key);
    }
  }
  return undefined;
}
