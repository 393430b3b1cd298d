/** @file The form's settings for trainings that came from elsewhere: what they do not have from the recipe. */
import { canonicalJson, type TrainConfig } from "@gradalign/robustness";
import { allSettings, settingsOfConfig, type TrainingSettings } from "@gradalign/runs";
import { type BySide, SIDES } from "../sides.ts";
import { trainConfigOf } from "../train-config.ts";
import type { Choice } from "./presets.ts";

type Data = Parameters<typeof trainConfigOf>[1];

/** Settings that give these trainings: what both sides have alike, and what each has otherwise. */
export function choiceOf(configs: BySide<TrainConfig>, data: Data): Choice {
  const [left, right] = SIDES.map((side) => fewestSettings(configs[side], data)) as [TrainingSettings, TrainingSettings];
  const ofMethod = (name: string): boolean => allSettings().get(name)?.place?.section === "method";
  const shared = Object.fromEntries(Object.entries(left).filter(([name, value]) => !ofMethod(name) && (right as Record<string, unknown>)[name] === value));
  const rest = (settings: TrainingSettings): TrainingSettings => Object.fromEntries(Object.entries(settings).filter(([name]) => !(name in shared)));
  return { shared, left: rest(left), right: rest(right) };
}

/** A training's settings without those that the recipe has anyway; all of them where the form cannot say what it is. */
function fewestSettings(config: TrainConfig, data: Data): TrainingSettings {
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
