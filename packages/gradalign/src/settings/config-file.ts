/** @file Settings from a YAML file (JSON is YAML too), checked like flags. */

import { closestName, externalName, type OptionValue } from "@gradalign/robustness";
import { firstBytes } from "@gradalign/robustness/node";
import { checkSetting, declarationOf, type Settings, settingNames, settingOf } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { parseDocument } from "yaml";

/** Bytes of a config file: all settings with a comment each are about 4 kB, and finding names given twice takes time with the square of their number. */
const MAX_BYTES = 16_384;

/**
 * Reads a config file.
 *
 * @param flags the command's flags that are not settings: a file has no such lines.
 * @throws ConfigError when the file cannot be read, is too long, is not YAML, or holds an unknown name or a forbidden value.
 */
export function readConfigFile(file: string, flags: readonly string[] = []): Settings {
  let bytes: Buffer;
  try {
    bytes = firstBytes(file, MAX_BYTES + 1);
  } catch (error) {
    throw new ConfigError(`--config: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}); name an existing YAML file`, {
      cause: error,
    });
  }
  return parseConfig(bytes.toString("utf8"), file, flags);
}

/**
 * Settings of a config file's text.
 *
 * @param file its name, for messages.
 * @param flags as for {@link readConfigFile}.
 * @throws ConfigError as {@link readConfigFile}.
 */
export function parseConfig(text: string, file: string, flags: readonly string[] = []): Settings {
  if (Buffer.byteLength(text) > MAX_BYTES) throw new ConfigError(`${file}: must be at most ${MAX_BYTES} bytes long, is longer; name a file of settings`);
  const content = parseYaml(text, file) ?? {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new ConfigError(
      `${file}: must hold settings as "name: value" lines, got ${Array.isArray(content) ? "a list" : typeof content}; write e.g. "epochs: 30"`,
    );
  }
  const names = new Map(settingNames().map((setting) => [externalName(setting), setting]));
  const settings: Record<string, OptionValue> = {};
  for (const [name, value] of Object.entries(content)) {
    const setting = names.get(name);
    if (setting === undefined) {
      if (flags.includes(name)) throw new ConfigError(`${file}: ${name} is a flag of the command, not a setting; leave the line out and write --${name}`);
      const close = closestName(name, names.keys());
      throw new ConfigError(
        `${file}: unknown setting ${JSON.stringify(name)}; ${close ? `did you mean "${close}"?` : `the settings are the flags of "gradalign train" without dashes before them`}`,
      );
    }
    if (typeof value === "object" && value !== null) {
      throw new ConfigError(
        `${file}: ${name} must be a single value, got ${Array.isArray(value) ? "a list" : "a map"}; ${declarationOf(settingOf(setting)).remedy}`,
      );
    }
    settings[setting] = checkSetting(setting, value, `${file}: ${name}`);
  }
  // Each was checked by its own declaration.
  return settings as Settings;
}

/** What a YAML text says. Aliases may be unresolved, circular or multiply without end; for these the library throws errors of several classes. */
function parseYaml(text: string, file: string): unknown {
  try {
    const document = parseDocument(text, { logLevel: "error" });
    const [problem] = document.errors;
    if (problem) throw problem;
    return document.toJS();
  } catch (error) {
    throw new ConfigError(`${file}: not valid YAML: ${(error as Error).message.split("\n")[0]}; correct this line`, { cause: error });
  }
}
