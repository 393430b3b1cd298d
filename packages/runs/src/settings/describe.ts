/** @file A run's settings in words: a line, a table, and the command that gives the same run again. */
import { externalName, type TrainConfig } from "@gradalign/robustness";
import { radius } from "../words/format.ts";
import { settingsOfConfig, written } from "./convert.ts";
import { writeLevels } from "./levels.ts";

/** One line that tells runs apart, e.g. `cnn with 4 filters, fgsm, ε = 10/255, 30 epochs, seed 0`. */
export function describeRun(config: TrainConfig): string {
  const { model, method } = config;
  const size = "filters" in model ? ` with ${model.filters} filters` : "width" in model ? ` of width ${model.width}` : "";
  return `${model.name}${size}, ${method.name}, ε = ${radius(config.epsilon)}, ${config.epochs} epoch${config.epochs === 1 ? "" : "s"}, seed ${config.seed}`;
}

/** All settings as name and value, named as the flags are. */
export function describeSettings(config: TrainConfig): [string, string][] {
  return Object.entries(settingsOfConfig(config)).map(([setting, value]) => [
    externalName(setting),
    setting === "epsilon" ? radius(config.epsilon) : typeof value === "number" ? String(Number(value.toPrecision(12))) : written(value),
  ]);
}

/** The command whose run is the same to the last bit. */
export function reproduceCommand(config: TrainConfig): string {
  const flags = Object.entries(settingsOfConfig(config)).map(
    ([setting, value]) => `--${externalName(setting)} ${shellWord(setting === "epsilon" ? writeLevels(Number(value)) : written(value))}`,
  );
  return `gradalign train ${flags.join(" ")}`;
}

/** A word as a shell takes it literally. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
