/** @file Experiments by name. */
import { type Experiment, experiments, type Scale } from "@gradalign/experiments";
import { closestName } from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import type { ScaledExperiment } from "./grid.ts";

/**
 * The experiments of these names at a scale, or each at its own.
 *
 * @throws ConfigError for a name that is none, with the one that was meant.
 */
export function chosenExperiments(names: readonly string[], scale: Scale | undefined): ScaledExperiment[] {
  return (names.length === 0 ? experiments : names.map(experimentNamed)).map((experiment) => ({
    experiment,
    scale: scale ?? experiment.defaultScale,
  }));
}

function experimentNamed(name: string): Experiment {
  const found = experiments.find(({ id }) => id === name);
  if (found) return found;
  const ids = experiments.map(({ id }) => id);
  const close = closestName(name, ids);
  throw new ConfigError(`reproduce: no experiment "${name}"; ${close ? `did you mean "${close}"?` : `there are ${ids.join(", ")}`}`);
}
