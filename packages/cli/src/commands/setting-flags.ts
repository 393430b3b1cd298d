/** @file Settings as flags of a command. */
import { type Command, Option } from "commander";
import { externalName, parseFlag, type SettingName, type Settings, settingOf } from "../settings/settings.ts";

/** Gives a command a flag for each of these settings. */
export function addSettingFlags(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const { argument, help } = settingOf(name);
    command.addOption(new Option(`--${externalName(name)} ${argument}`, help));
  }
  return command;
}

/**
 * The settings among commander's parsed options, checked.
 *
 * @throws ConfigError naming the flag, its value, the rule and a remedy.
 */
export function settingsFromFlags(options: Readonly<Record<string, unknown>>, names: readonly SettingName[]): Settings {
  const settings: Record<string, unknown> = {};
  for (const name of names) {
    const text = options[name];
    if (typeof text === "string") settings[name] = parseFlag(name, text);
  }
  return settings;
}
