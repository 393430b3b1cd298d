/** @file Between the flat settings of flags and files and the library's nested, resolved config. */
import {
  chosenBy,
  externalName,
  optionsOf,
  type PartialTrainConfig,
  registries,
  resolveTrainConfig,
  SECTIONS,
  type Section,
  type TrainConfig,
} from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import { allSettings, type Setting, type TrainingSettings } from "./settings.ts";

/** Where a setting was written, for messages: as a flag unless it is known better. */
export type SourceOf = (setting: string) => string;

const asFlag: SourceOf = (setting) => `--${externalName(setting)}`;

/**
 * The library's config, complete and checked; what it refuses is named as it was written.
 *
 * @throws ConfigError when an option is not one of what was chosen, is out of its bounds, or does not go with another.
 */
export function resolveSettings(settings: TrainingSettings, sourceOf = asFlag): TrainConfig {
  const partial = partialConfig(settings, sourceOf);
  try {
    return resolveTrainConfig(partial);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // The library names options by their place in its config.
    const [, path] = /^config: ([\w.]+)/.exec(error.message) ?? [];
    const found = [...allSettings()].find(([, { place }]) => place && [place.section, place.option].filter((part) => part !== null).join(".") === path);
    throw found ? new ConfigError(error.message.replace(`config: ${path}`, sourceOf(found[0])), { cause: error }) : error;
  }
}

/**
 * The library's config with only what was given; the library fills in the rest.
 *
 * @throws ConfigError when an option was given that the chosen model, method, optimiser or schedule does not have.
 */
export function partialConfig(settings: TrainingSettings, sourceOf = asFlag): PartialTrainConfig {
  const all = allSettings();
  const config: Record<string, unknown> = {};
  const sections: Record<string, Record<string, unknown>> = {};
  for (const [name, value] of Object.entries(settings)) {
    const place = all.get(name)?.place;
    if (!place || value === undefined) continue;
    if (place.section !== null) sections[place.section] ??= {};
    const target = (place.section !== null && sections[place.section]) || config;
    target[place.option] = name === "epsilon" ? Number(value) / 255 : value;
  }
  // A size tells which model is meant.
  const { model } = sections;
  if (model && model["name"] === undefined) {
    const fitting = Object.values(registries.model).filter(({ options }) => Object.keys(model).every((option) => option in options));
    if (fitting.length === 1) model["name"] = fitting[0]?.id;
  }
  // Whatever was given: the library checks it.
  const partial = { ...config, ...sections } as PartialTrainConfig;
  refuseForeign(settings, all, partial, sourceOf);
  return partial;
}

/** Refuses options of what was not chosen, by the names under which they were given. */
function refuseForeign(settings: TrainingSettings, all: ReadonlyMap<string, Setting>, partial: PartialTrainConfig, sourceOf: SourceOf): void {
  const { names } = chosenBy(partial);
  for (const [name, value] of Object.entries(settings)) {
    const setting = all.get(name);
    const section = setting?.place?.section;
    if (!setting?.place || value === undefined || !isNamed(section) || name === section) continue;
    const chosen = names[section];
    if (Object.hasOwn(optionsOf(section, chosen), setting.place.option)) continue;
    const source = sourceOf(name);
    const dashes = source.startsWith("--") ? "--" : "";
    const own = [...all].filter(([, { place, declared: by }]) => place?.section === section && by.has(chosen)).map(([other]) => dashes + externalName(other));
    throw new ConfigError(
      `${source} (=${value}) is not an option of ${chosen}, which has ${own.join(", ") || "none"}; leave it out, or choose ` +
        `${dashes}${section} ${[...setting.declared.keys()].join(" or ")}`,
    );
  }
}

function isNamed(section: string | null | undefined): section is Section {
  return SECTIONS.some((other) => other === section);
}

/** The settings that a resolved config came from or might have come from. */
export function settingsOfConfig(config: TrainConfig): TrainingSettings {
  const settings: Record<string, string | number | boolean> = {};
  for (const [name, { place }] of allSettings()) {
    if (!place) continue;
    const holder: Readonly<Record<string, unknown>> = place.section === null ? { ...config } : { ...config[place.section] };
    const value = holder[place.option];
    if (typeof value === "string" || typeof value === "boolean") settings[name] = value;
    else if (typeof value === "number") settings[name] = name === "epsilon" ? Number((value * 255).toFixed(9)) : value;
  }
  return settings;
}

/** A value as flags and files have it. */
export function written(value: unknown): string {
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}
