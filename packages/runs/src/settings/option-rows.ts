/** @file Options in words, for the help of what has options and for the tables of docs/options.md. */
import { type Circumstances, defaultOf, externalName, type Option, type OptionTable, ruleOf } from "@gradalign/robustness";
import { written } from "./convert.ts";
import { writeLevels } from "./levels.ts";
import { allSettings, argumentOf, type Place } from "./settings.ts";

/** An option in words. */
export interface OptionRow {
  /** The flag without its dashes, which is the config file's key. */
  readonly name: string;
  readonly argument: string;
  /** What it may be. */
  readonly values: string;
  /** What it is when it is left out. */
  readonly otherwise: string;
  readonly help: string;
}

/** What the options of a table are under these circumstances; an attack's, which are no settings of a run, are the same under all. */
export function optionRows(section: Place["section"] | "attack", table: OptionTable, at: Circumstances | null): OptionRow[] {
  const settings = [...allSettings()];
  const before: Record<string, unknown> = {};
  return Object.entries(table).map(([key, option]) => {
    const [name = key] = settings.find(([, { place }]) => place?.section === section && place.option === key) ?? [];
    const value = defaultOf(option, at, before);
    before[key] = value;
    const isRadius = name === "epsilon";
    return {
      name: externalName(name),
      argument: argumentOf(option),
      values: isRadius ? "0 or a number from 1 to 255, in steps of 1/255" : valuesOf(option),
      otherwise: value === undefined || value === null ? "none" : isRadius ? writeLevels(Number((Number(value) * 255).toFixed(9))) : written(value),
      help: option.help,
    };
  });
}

function valuesOf(option: Option): string {
  if (option.kind === "boolean") return "yes or no";
  const unit = (option.kind === "number" || option.kind === "integer") && option.unit !== undefined ? `, in ${option.unit}` : "";
  return `${ruleOf(option).replace(", or null", "")}${unit}`;
}
