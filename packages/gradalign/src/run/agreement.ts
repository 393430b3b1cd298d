/** @file What is given when a run goes on must be what it began with. */
import { resolve } from "node:path";
import { externalName, isDatasetName, type TrainConfig } from "@gradalign/robustness";
import { allSettings, settingsOfConfig, type TrainingSettings } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";

/** Settings in which a data set of one's own has its absolute path. */
export function withFullPath<Given extends TrainingSettings>(settings: Given): Given {
  const { dataset } = settings;
  return dataset === undefined || isDatasetName(dataset) ? settings : { ...settings, dataset: resolve(dataset) };
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
