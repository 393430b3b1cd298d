/** @file The form's settings for trainings that came from elsewhere. */
import type { TrainConfig } from "@gradalign/robustness";
import type { TrainingSettings } from "@gradalign/runs";
import { fewestSettings, isOfMethod } from "../fewest-settings.ts";
import { type BySide, SIDES } from "../sides.ts";
import type { Choice } from "./presets.ts";

/** Settings that give these trainings: what both sides have alike, and what each has otherwise. */
export function choiceOf(configs: BySide<TrainConfig>, data: Parameters<typeof fewestSettings>[1]): Choice {
  const [left, right] = SIDES.map((side) => fewestSettings(configs[side], data)) as [TrainingSettings, TrainingSettings];
  const shared = Object.fromEntries(Object.entries(left).filter(([name, value]) => !isOfMethod(name) && (right as Record<string, unknown>)[name] === value));
  const rest = (settings: TrainingSettings): TrainingSettings => Object.fromEntries(Object.entries(settings).filter(([name]) => !(name in shared)));
  return { shared, left: rest(left), right: rest(right) };
}
