/** @file Settings from a YAML file (JSON is YAML too), checked like flags. */
import { readFileSync } from "node:fs";
import { ConfigError } from "@gradalign/tensor";
import { parseDocument } from "yaml";
import { closestName } from "./closest-name.ts";
import { checkSetting, externalName, SETTING_NAMES, type Settings } from "./settings.ts";

/**
 * Reads a config file.
 *
 * @throws ConfigError when the file cannot be read, is not YAML, or holds an unknown name or a forbidden value.
 */
export function readConfigFile(file: string): Settings {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`--config: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}); name an existing YAML file`, {
      cause: error,
    });
  }
  return parseConfig(text, file);
}

/**
 * Settings of a config file's text.
 *
 * @param file its name, for messages.
 * @throws ConfigError as {@link readConfigFile}.
 */
export function parseConfig(text: string, file: string): Settings {
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem) throw new ConfigError(`${file}: not valid YAML: ${problem.message.split("\n")[0]}; correct this line`, { cause: problem });
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new ConfigError(`${file}: must hold settings as "name: value" lines, got ${Array.isArray(content) ? "a list" : typeof content}`);
  }
  const names = new Map(SETTING_NAMES.map((setting) => [externalName(setting), setting]));
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(content)) {
    const setting = names.get(name);
    if (setting === undefined) {
      const close = closestName(name, names.keys());
      throw new ConfigError(
        `${file}: unknown setting "${name}"; ${close ? `did you mean "${close}"?` : `the settings are the flags of "gradalign train" without dashes before them`}`,
      );
    }
    settings[setting] = checkSetting(setting, plainValue(setting, value), `${file}: ${name}`);
  }
  return settings;
}

/** YAML's own booleans serve for yes and no. */
function plainValue(setting: string, value: unknown): unknown {
  return setting === "flip" && typeof value === "boolean" ? (value ? "yes" : "no") : value;
}
