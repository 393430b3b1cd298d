/** @file Filling in and checking options, and the errors that name value, rule and remedy. */
import { ConfigError, InvariantError } from "@gradalign/tensor";
import { closestName } from "./closest-name.ts";
import { accepts, type Circumstances, type Given, type Option, type OptionTable, ruleOf, type ValuesOf } from "./option.ts";

/** Where options stand, for messages. */
export interface Section {
  /** What comes before a name: `config: method.`, for instance. */
  readonly path: string;
  /** Whose options they are: a method's name, for instance. */
  readonly owner: string;
}

/**
 * A value, checked.
 *
 * @param source where it was written, e.g. `config: method.steps` or `--steps`.
 * @throws ConfigError naming value, rule and remedy.
 */
export function checkValue(source: string, option: Option, value: unknown): void {
  if (accepts(option, value)) return;
  const problem = option.kind === "text" && typeof value === "string" ? option.problem?.(value) : undefined;
  if (problem !== undefined) throw new ConfigError(`${source} (=${shown(value)}): ${problem}`);
  const given = value === undefined ? " is missing; it" : ` (=${shown(value)})`;
  const close = option.kind === "choice" && typeof value === "string" ? closestName(value, option.names) : undefined;
  const remedy = close === undefined ? option.remedy : `did you mean ${close}?`;
  throw new ConfigError(`${source}${given} must be ${ruleOf(option)}${remedy === undefined ? "" : `; ${remedy}`}`);
}

/** A value in a message. */
export function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

/**
 * Refuses names that would be ignored.
 *
 * @throws ConfigError naming the first with its value, and those that there are.
 */
export function checkNames({ path, owner }: Section, table: OptionTable, given: Given): void {
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(table, name) || value === undefined) continue;
    const close = closestName(name, Object.keys(table));
    throw new ConfigError(
      `${path}${name} (=${shown(value)}) is not an option of ${owner}, which has ${Object.keys(table).join(", ") || "none"}; ` +
        `leave it out${close === undefined ? "" : `, or write ${close}`}`,
    );
  }
}

/** An option's default under these circumstances, null where none are known; undefined where it is then left out. */
export function defaultOf(option: Option, at: Circumstances | null, before: Given): unknown {
  if (typeof option.default !== "function") return option.default;
  if (!at) throw new InvariantError(`options: the default of "${option.help}" follows from circumstances that are not known`);
  return option.default(at, before);
}

/**
 * All values of a table: those that were given, checked, and defaults for the others.
 *
 * @throws ConfigError for an unknown name, a forbidden value, or a formula that gives no usable default.
 */
export function resolveOptions<Table extends OptionTable>(section: Section, table: Table, given: Given, at: Circumstances | null = null): ValuesOf<Table> {
  checkNames(section, table, given);
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    const chosen = given[name];
    if (chosen !== undefined) checkValue(`${section.path}${name}`, option, chosen);
    const value = chosen ?? (chosen === null ? null : defaultOf(option, at, values));
    if (value === undefined) continue;
    if (chosen === undefined && at && !accepts(option, value)) throw noDefault(section.owner, name, option, value, at);
    values[name] = value;
  }
  return values as ValuesOf<Table>;
}

/** Formulas are made for the paper's radii of up to 16/255; a much larger one may lead out of an option's bounds. */
function noDefault(owner: string, name: string, option: Option, value: unknown, { epsilon }: Circumstances): ConfigError {
  return new ConfigError(
    `config: epsilon (=${Number((epsilon * 255).toFixed(4))}/255) must be smaller for ${owner}: the formula for its ${name}, made for the paper's radii of up to ` +
      `16/255, gives ${typeof value === "number" ? value.toPrecision(3) : value} there, and it must be ${ruleOf(option)}; choose a smaller radius, or set ${name} yourself`,
  );
}

/**
 * Checks complete values.
 *
 * @throws ConfigError for a name that is unknown or missing, or a forbidden value.
 */
export function checkOptions(section: Section, table: OptionTable, values: Given): void {
  checkNames(section, table, values);
  for (const [name, option] of Object.entries(table)) {
    const value = values[name];
    const source = `${section.path}${name}`;
    if (value !== undefined) checkValue(source, option, value);
    else if (!mayBeMissing(option)) throw new ConfigError(`${source} must be ${ruleOf(option)}, got none; resolve the settings, or start a new run`);
  }
}

function mayBeMissing(option: Option): boolean {
  return option.default === undefined;
}
