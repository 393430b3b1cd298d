/** @file Plans of sweeps and of the paper's experiments: every run's settings are resolved and checked before any begins. */
import { basename } from "node:path";
import { isDatasetName } from "@gradalign/robustness";
import { type Combination, FINAL_DEFAULTS, type Plan, type PlannedRun, RUN_OPTIONS, resolveSettings, type Settings, variedSettings } from "@gradalign/runs";
import { planOf, runId } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { settingsInWords, withFullPath } from "../run/agreement.ts";
import { readSweepFile, type SweepFile } from "../settings/sweep-file.ts";
import type { OutputStream } from "../terminal/streams.ts";
import { alwaysOf, openShelf } from "./datasets.ts";
import { gridOf, type ScaledExperiment } from "./grid.ts";

/** Settings of a run that are not the machine's. */
const OF_RUNS: readonly string[] = Object.keys(FINAL_DEFAULTS);

/**
 * The plan of a sweep's file.
 *
 * @throws ConfigError naming file, line and key, and the combination where only that is at fault.
 */
export async function planOfSweep(file: string, output: OutputStream): Promise<Plan> {
  return planOfCombinations(basename(file), readSweepFile(file), output);
}

/** The plan of some combinations of settings; @throws ConfigError as {@link planOfSweep}. */
export async function planOfCombinations(name: string, { combinations, sourceOf }: SweepFile, output: OutputStream): Promise<Plan> {
  for (const setting of new Set(combinations.flatMap((one) => Object.keys(one)))) {
    if (setting in RUN_OPTIONS && !OF_RUNS.includes(setting)) {
      throw new ConfigError(`${sourceOf(setting)} is a setting of the machine that computes, not of a run; leave it out`);
    }
  }
  const varied = variedSettings(combinations);
  const shelf = await openShelf([], output, new AbortController().signal);
  const fingerprints = new Map<string, string>();
  const runs: PlannedRun[] = [];
  for (const combination of combinations) {
    const { label, config, attacks } = resolved(combination, varied, sourceOf);
    const { dataset, phases } = config;
    const key = JSON.stringify([dataset, phases]);
    if (!fingerprints.has(key)) fingerprints.set(key, isDatasetName(dataset) && !phases ? "real" : (await shelf.load(config, "real")).fingerprint);
    const data = fingerprints.get(key) as string;
    runs.push({ id: runId(config, data, attacks), label, config, attacks, data });
  }
  return planOf(name, { kind: "sweep", varied }, runs);
}

function resolved(
  combination: Combination,
  varied: readonly string[],
  sourceOf: (setting: string) => string,
): Pick<PlannedRun, "label" | "config" | "attacks"> {
  // Each was checked by its own declaration.
  const settings = withFullPath(combination as Settings);
  const words = settingsInWords(combination, varied);
  try {
    const config = resolveSettings(settings, sourceOf);
    const { finalAttack, finalExamples } = { ...FINAL_DEFAULTS, ...settings };
    const attack = { attack: finalAttack, epsilon: config.epsilon, examples: finalExamples };
    const attacks = finalAttack === "none" ? [] : (["last", "best"] as const).map((which) => ({ ...attack, which }));
    return { label: words || config.method.name, config, attacks };
  } catch (error) {
    if (!(error instanceof ConfigError) || words === "") throw error;
    throw new ConfigError(`${error.message} (of the run ${words}; "exclude:" leaves runs out, "include:" adds others)`, { cause: error });
  }
}

/** The plan of some experiments: the trainings of all of them, each once. Images are the data sets' own, but for those that are always made up. */
export function planOfExperiments(chosen: readonly ScaledExperiment[], scale: string | null): Plan {
  const names = chosen.map(({ experiment }) => experiment.id);
  const runs = gridOf(chosen, "", alwaysOf).map(({ id, label, config, attacks, data }) => ({ id, label, config, attacks, data }));
  return planOf([...names, ...(scale === null ? [] : [scale])].join("-"), { kind: "experiments", experiments: names, scale }, runs);
}
