/**
 * @file Options as people write them behind a name, `wide-resnet:depth=28,widen=10`: read, checked, and written again. Names of options are
 * those of flags: `step-size`, not `stepSize`.
 */
import { ConfigError } from "@gradalign/tensor";
import { closestName } from "./closest-name.ts";
import { externalName, type Option, type OptionTable, type OptionValue } from "./option.ts";
import { checkValue } from "./resolve.ts";

/** A name, and the texts of the options behind it. */
export interface Written {
  readonly name: string;
  readonly texts: Readonly<Record<string, string>>;
}

/**
 * Takes `NAME:option=value,option=value` apart.
 *
 * @param source where it was written, e.g. `--arch`.
 * @throws ConfigError for a text of another form, or an option that is there twice.
 */
export function readWritten(source: string, text: string): Written {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const texts: Record<string, string> = {};
  for (const part of colon < 0 ? [] : text.slice(colon + 1).split(",")) {
    const [, key, value] = /^\s*([A-Za-z][A-Za-z0-9-]*)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    if (key === undefined || value === undefined || value === "" || Object.hasOwn(texts, key)) {
      throw new ConfigError(`${source} (="${text}") must be NAME or NAME:option=value,option=value, each option once`);
    }
    texts[key] = value;
  }
  return { name, texts };
}

/**
 * Options' texts as their values.
 *
 * @param owner whose options they are.
 * @throws ConfigError for an option that the table does not have, or a value that it forbids.
 */
export function readOptions(source: string, owner: string, table: OptionTable, texts: Written["texts"]): Record<string, OptionValue> {
  const known = new Map(Object.entries(table).map(([key, option]) => [externalName(key), { key, option }]));
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      const found = known.get(name);
      if (!found) {
        const close = closestName(name, known.keys());
        throw new ConfigError(
          `${source}: ${name} (="${text}") is not an option of ${owner}, which has ${[...known.keys()].join(", ") || "none"}` +
            (close === undefined ? "" : `; did you mean ${close}?`),
        );
      }
      const value = readValue(found.option, text);
      checkValue(`${source}: ${name}`, found.option, value);
      return [found.key, value];
    }),
  );
}

/** A name and its options as one text, which {@link readWritten} takes apart again. */
export function writeOptions(name: string, values: Readonly<Record<string, OptionValue>>): string {
  const options = Object.entries(values).map(([key, value]) => `${externalName(key)}=${value === null ? "none" : value}`);
  return options.length === 0 ? name : `${name}:${options.join(",")}`;
}

/** What a text stands for; itself where it is nothing that the option may be, for the message. */
function readValue(option: Option, text: string): OptionValue {
  if (option.kind === "number" || option.kind === "integer") {
    if (text === "none") return null;
    return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text;
  }
  if (option.kind !== "boolean") return text;
  return text === "yes" || text === "true" ? true : text === "no" || text === "false" ? false : text;
}
