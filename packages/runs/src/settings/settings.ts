/**
 * @file Every setting of a run as flags and config files have it. What it is, its bounds and its default are declared in the library, beside
 * the code that it belongs to; here it gets a name, and a radius its unit.
 *
 * Flags and config files share names (`--batch-size 128` is `batch-size: 128`) and units (`epsilon` in steps of 1/255).
 */
import {
  accepts,
  augmentOptions,
  boundsOf,
  checkValue,
  choiceOf,
  type Declared,
  datasetOption,
  externalName,
  type Option,
  type OptionTable,
  type OptionValue,
  registries,
  SECTIONS,
  type Section,
  trainingOptions,
} from "@gradalign/robustness";
import { ConfigError, InvariantError } from "@gradalign/tensor";
import { levelsRemedy, readLevels } from "./levels.ts";
import { RUN_OPTIONS, type RunSettings } from "./run-options.ts";

/** Where a setting stands in a run's config: in a section, or in none. */
export interface Place {
  readonly section: Section | "augment" | null;
  /** Of a section; its name where the setting is what chooses it. */
  readonly option: string;
}

/** One setting. */
export interface Setting {
  /** Its declarations by what has it: several methods may have options of one name. */
  readonly declared: ReadonlyMap<string, Option>;
  /** Null for what does not change what is learned. */
  readonly place: Place | null;
}

/** Settings that decide the result, by their names in the program, those that were given. */
export interface TrainingSettings {
  readonly dataset?: string;
  /** In steps of 1/255. */
  readonly epsilon?: number;
  readonly seed?: number;
  readonly trainSize?: number | null;
  readonly [name: string]: OptionValue | undefined;
}

/** All settings that were given. */
export type Settings = TrainingSettings & RunSettings;

/** Settings are named as their options are, but for options whose names would be unclear or are another's. */
const NAMES: Readonly<Record<string, string>> = { "schedule.peak": "lr", "schedule.points": "lrPoints", "optimizer.epsilon": "adamEpsilon" };

/** Every setting by its name in the program, in the order of the help text. */
export function allSettings(): ReadonlyMap<string, Setting> {
  const all = new Map<string, Setting & { readonly declared: Map<string, Option> }>();
  const add = (option: Option, key: string, section: Place["section"], owner: string, name = NAMES[`${section}.${key}`] ?? key): void => {
    const found = all.get(name);
    if (found && found.place?.section !== section) throw new InvariantError(`settings: two have the name ${name}; give one another in NAMES`);
    if (found) found.declared.set(owner, option);
    else all.set(name, { declared: new Map([[owner, option]]), place: { section, option: key } });
  };
  const addAll = (table: OptionTable, section: Place["section"], owner: string): void => {
    for (const [key, option] of Object.entries(table)) add(option, key, section, owner);
  };
  const addSection = (section: Section): void => {
    const registry: Readonly<Record<string, Declared>> = registries[section];
    add(choiceOf(section), "name", section, "run", section);
    for (const { id, options } of Object.values(registry)) addAll(options, section, id);
  };
  add(datasetOption, "dataset", null, "run");
  addSection("model");
  addSection("method");
  addAll(trainingOptions, null, "run");
  for (const section of SECTIONS) if (section !== "model" && section !== "method") addSection(section);
  addAll(augmentOptions, "augment", "run");
  for (const [name, option] of Object.entries(RUN_OPTIONS)) all.set(name, { declared: new Map([["machine", option]]), place: null });
  return all;
}

/** The names of all settings in the order of the help text. */
export function settingNames(): readonly string[] {
  return [...allSettings().keys()];
}

/** The setting of that name. */
export function settingOf(name: string): Setting {
  const found = allSettings().get(name);
  if (!found) throw new InvariantError(`settings: there is none named ${name}`);
  return found;
}

/** The declaration that stands for all of a setting in messages and help texts: the first, with every name that any has. */
export function declarationOf({ declared }: Setting): Option {
  const all = [...declared.values()];
  const first = all[0] as Option;
  if (first.kind !== "choice") return first;
  return { ...first, names: [...new Set(all.flatMap((option) => (option.kind === "choice" ? option.names : [])))] };
}

/**
 * Checks one value, by the declarations of everything that has such an option.
 *
 * @param source where the value was written, for the message, e.g. `--epsilon` or `paper.yaml: epsilon`.
 * @returns the value as the program has it.
 * @throws ConfigError naming value, rule and remedy.
 */
export function checkSetting(name: string, written: unknown, source: string): OptionValue {
  const setting = settingOf(name);
  const option = declarationOf(setting);
  if (name === "epsilon") return checkLevels(option, written, source);
  const value = option.kind === "boolean" && (written === "yes" || written === "no") ? written === "yes" : written;
  for (const declaration of setting.declared.values()) if (accepts(declaration, value)) return value as OptionValue;
  if (option.kind === "boolean") throw new ConfigError(`${source} (=${JSON.stringify(written)}) must be yes or no; choose one of them`);
  checkValue(source, option, value);
  throw new InvariantError(`${source}: a value is accepted and refused`);
}

/** A radius in steps of 1/255; its bounds are the library's, in pixel units. */
function checkLevels(option: Option, written: unknown, source: string): number {
  const steps = readLevels(written);
  if (steps !== undefined && accepts(option, steps / 255)) return steps;
  const most = option.kind === "number" && option.most !== undefined ? option.most * 255 : Number.POSITIVE_INFINITY;
  throw new ConfigError(`${source} (=${JSON.stringify(written)}) must be 0 or a number from 1 to ${most}, in steps of 1/255; ${levelsRemedy(written)}`);
}

/**
 * Reads a flag's text as the value it stands for.
 *
 * @throws ConfigError naming value, rule and remedy.
 */
export function parseFlag(name: string, text: string): OptionValue {
  const { kind } = declarationOf(settingOf(name));
  const trimmed = text.trim();
  // Number("") is 0 and Number("0x10") is 16: neither is what was meant.
  const isNumber = (kind === "number" || kind === "integer") && /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(trimmed);
  return checkSetting(name, isNumber ? Number(trimmed) : text, `--${externalName(name)}`);
}

/** Placeholder of a value in help texts. */
export function argumentOf(option: Option): string {
  switch (option.kind) {
    case "choice":
      return option.names.length > 4 ? "<name>" : `<${option.names.join("|")}>`;
    case "boolean":
      return "<yes|no>";
    case "text":
      return `<${option.argument}>`;
    default:
      return option.kind === "integer" || option === trainingOptions.epsilon ? "<n>" : "<x>";
  }
}

/** What a setting is, in a line: what has it, if not every run. */
export function helpOf(name: string): string {
  const setting = settingOf(name);
  const option = declarationOf(setting);
  const owners = [...setting.declared.keys()].filter((owner) => owner !== "run" && owner !== "machine");
  const names = option.kind === "choice" && option.names.length > 4 ? `: ${option.names.join(", ")}` : "";
  const bounds = option.kind === "number" || option.kind === "integer" ? `;${boundsOf(option).replace(/^ of/, "")}` : "";
  const form = name === "epsilon" ? " in steps of 1/255: 8 means 8/255, which may be written too" : `${names}${bounds}`;
  return `${option.help}${form}${owners.length === 0 ? "" : `; of ${owners.join(", ")}`}`;
}
