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
  return parseConfig(readSettingsText(file, "--config"), file, flags);
}

/**
 * The text of a file of settings.
 *
 * @param source what named the file, for the message.
 * @throws ConfigError when it cannot be read or is too long.
 */
export function readSettingsText(file: string, source: string): string {
  let bytes: Buffer;
  try {
    bytes = firstBytes(file, MAX_BYTES + 1);
  } catch (error) {
    throw new ConfigError(`${source}: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}); name an existing YAML file`, {
      cause: error,
    });
  }
  requireShort(bytes.length, file);
  return bytes.toString("utf8");
}

function requireShort(length: number, file: string): void {
  if (length > MAX_BYTES) throw new ConfigError(`${file}: must be at most ${MAX_BYTES} bytes long, is longer; name a file of settings`);
}

/**
 * Settings of a config file's text.
 *
 * @param file its name, for messages.
 * @param flags as for {@link readConfigFile}.
 * @throws ConfigError as {@link readConfigFile}.
 */
export function parseConfig(text: string, file: string, flags: readonly string[] = []): Settings {
  requireShort(Buffer.byteLength(text), file);
  const content = parseYaml(text, file) ?? {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new ConfigError(
      `${file}: must hold settings as "name: value" lines, got ${Array.isArray(content) ? "a list" : typeof content}; write e.g. "epochs: 30"`,
    );
  }
  const settings: Record<string, OptionValue> = {};
  for (const [name, value] of Object.entries(content)) {
    const setting = namedSetting(name, file, flags);
    settings[setting] = settingValue(setting, value, `${file}: ${name}`);
  }
  // Each was checked by its own declaration.
  return settings as Settings;
}

/**
 * The setting of a name in a file.
 *
 * @param source where it stands, for messages.
 * @throws ConfigError when there is none.
 */
export function namedSetting(name: string, source: string, flags: readonly string[] = []): string {
  const names = new Map(settingNames().map((setting) => [externalName(setting), setting]));
  const setting = names.get(name);
  if (setting !== undefined) return setting;
  if (flags.includes(name)) throw new ConfigError(`${source}: ${name} is a flag of the command, not a setting; leave the line out and write --${name}`);
  const close = closestName(name, names.keys());
  throw new ConfigError(
    `${source}: unknown setting ${JSON.stringify(name)}; ${close ? `did you mean "${close}"?` : `the settings are the flags of "gradalign train" without dashes before them`}`,
  );
}

/** A setting's value in a file, checked; @throws ConfigError naming value, rule and remedy. */
export function settingValue(setting: string, value: unknown, source: string): OptionValue {
  if (typeof value === "object" && value !== null) {
    throw new ConfigError(`${source} must be a single value, got ${Array.isArray(value) ? "a list" : "a map"}; ${declarationOf(settingOf(setting)).remedy}`);
  }
  return checkSetting(setting, value, source);
}

/** What a YAML text says. Aliases may be unresolved, circular or multiply without end; for these the library throws errors of several classes. */
function parseYaml(text: string, file: string): unknown {
  try {
    const document = parseDocument(text, { logLevel: "error" });
    const [problem] = document.errors;
    if (problem) throw problem;
    return document.toJS();
  } catch (error) {
    throw yamlError(error, file);
  }
}

/** What the library threw at a text that is not YAML. */
export function yamlError(error: unknown, file: string): ConfigError {
  return new ConfigError(`${file}: not valid YAML: ${(error as Error).message.split("\n")[0]}; correct this line`, { cause: error });
}
