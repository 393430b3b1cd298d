/** @file Settings as flags of a command, and counts as other flags. */

import { externalName, type OptionValue } from "@gradalign/robustness";
import { argumentOf, type DefaultTexts, declarationOf, FIXED_DEFAULTS, helpOf, parseFlag, type Settings, settingOf } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { type Command, Option } from "commander";

/** A setting's flag and what follows it, e.g. `--batch-size <n>`. */
export function settingFlag(name: string): string {
  return `--${externalName(name)} ${argumentOf(declarationOf(settingOf(name)))}`;
}

/** Gives a command a flag for each of these settings; `defaults` says what they are when left out, and is called when help is asked for. */
export function addSettingFlags(command: Command, names: readonly string[], defaults: () => DefaultTexts = () => ({})): Command {
  let texts: DefaultTexts | undefined;
  const describe = (name: string): string => {
    texts ??= defaults();
    // Not commander's own defaults: what is left out must stay apart from what is given.
    const otherwise = texts[name] ?? FIXED_DEFAULTS[name];
    return otherwise === undefined ? helpOf(name) : `${helpOf(name)} (default: ${otherwise})`;
  };
  for (const name of names) {
    const option = new Option(settingFlag(name));
    // Every start of the program registers every command; most texts are never read.
    Object.defineProperty(option, "description", { get: () => describe(name) });
    command.addOption(option);
  }
  return command;
}

/**
 * The settings among commander's parsed options, checked.
 *
 * @throws ConfigError naming the flag, its value, the rule and a remedy.
 */
export function settingsFromFlags(options: Readonly<Record<string, unknown>>, names: readonly string[]): Settings {
  const settings: Record<string, OptionValue> = {};
  for (const name of names) {
    const text = options[name];
    if (typeof text === "string") settings[name] = parseFlag(name, text);
  }
  // Each was checked by its own declaration.
  return settings as Settings;
}

/**
 * The count that a flag gives, a positive integer.
 *
 * @throws ConfigError naming the flag, its value, the rule and the remedy ("write e.g. 10").
 */
export function parseCount(flag: string, text: string, remedy: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text)) && Number(text) > 0) return Number(text);
  throw new ConfigError(`${flag} (="${text}") must be an integer of at least 1; ${remedy}`);
}

/** As {@link parseCount}, or "all". */
export function parseCountOrAll(flag: string, text: string, remedy: string): number | "all" {
  return text === "all" ? text : parseCount(flag, text, `${remedy}, or all`);
}
