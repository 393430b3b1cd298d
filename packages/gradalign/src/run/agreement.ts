/** @file What is given when a run goes on must be what it began with. */
import { resolve } from "node:path";
import { externalName, isDatasetName, type TrainConfig } from "@gradalign/robustness";
import { allSettings, settingsOfConfig, type TrainingSettings, written } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";

/** Settings in which data sets of one's own have their absolute paths. */
export function withFullPath<Given extends TrainingSettings>(settings: Given): Given {
  const { dataset, phases } = settings;
  const full = (name: string): string => (isDatasetName(name) ? name : resolve(name));
  return {
    ...settings,
    ...(dataset === undefined ? {} : { dataset: full(dataset) }),
    ...(typeof phases === "string" ? { phases: phases.replace(/([:,]data=)([^,;]+)/g, (_, before: string, name: string) => before + full(name)) } : {}),
  };
}

/**
 * Makes sure that settings given with `--resume` are the run's.
 *
 * @throws ConfigError naming the first that is not, and both values.
 */
export function requireAgreement(config: TrainConfig, settings: TrainingSettings): void {
  const before = settingsOfConfig(config);
  const given = withFullPath(settings);
  for (const [name, { place }] of allSettings()) {
    if (place && given[name] !== undefined && given[name] !== before[name]) {
      throw new ConfigError(
        `--${externalName(name)} (=${settings[name]}) must be the run's ${before[name] ?? "default"} with --resume; leave it out, or start a new run with --out`,
      );
    }
  }
}

/** Some of a run's settings in words, e.g. `fgsm, ε = 8/255, seed 0`. */
export function settingsInWords(settings: Readonly<Record<string, unknown>>, names: readonly string[]): string {
  const parts = names.flatMap((name) => {
    const value = settings[name];
    if (value === undefined) return [];
    if (name === "epsilon") return [`ε = ${value}/255`];
    return [name === "method" || name === "model" || name === "dataset" ? written(value) : `${externalName(name)} ${written(value)}`];
  });
  return parts.join(", ");
}
