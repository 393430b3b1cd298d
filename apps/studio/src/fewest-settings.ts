/** @file Settings of trainings that came from elsewhere: what they do not have from the recipe. */
import { canonicalJson, type TrainConfig } from "@gradalign/robustness";
import { allSettings, settingsOfConfig, type TrainingSettings } from "@gradalign/runs";
import { trainConfigOf } from "./train-config.ts";

/** Whether a setting says how a side is attacked and trained, and not what both have alike. */
export function isOfMethod(name: string): boolean {
  return allSettings().get(name)?.place?.section === "method";
}

/** A training's settings without those that the recipe has anyway; all of them where the form cannot say what it is. */
export function fewestSettings(config: TrainConfig, data: Parameters<typeof trainConfigOf>[1]): TrainingSettings {
  const target = canonicalJson(config);
  const isSame = (settings: TrainingSettings): boolean => {
    try {
      return canonicalJson(trainConfigOf(settings, data)) === target;
    } catch {
      return false;
    }
  };
  const { dataset: _, ...all } = settingsOfConfig(config) as TrainingSettings & { dataset?: unknown };
  let settings: TrainingSettings = all;
  if (!isSame(settings)) return settings;
  for (const name of Object.keys(settings)) {
    if (name === "method") continue;
    const { [name]: __, ...rest } = settings as Record<string, TrainingSettings[string]>;
    if (isSame(rest)) settings = rest;
  }
  return settings;
}
