/** @file What the page's settings mean to training. */
import { type ImageDataset, resolveTrainConfig, type TrainConfig } from "@gradalign/robustness";
import { partialConfig, type TrainingSettings } from "@gradalign/runs";

/**
 * The paper's single-layer network with its recipe, unless the settings say otherwise.
 *
 * @throws ConfigError when a setting is out of its range.
 */
export function trainConfigOf(settings: TrainingSettings, { name, flip, crop }: Pick<ImageDataset, "name" | "flip" | "crop">): TrainConfig {
  return resolveTrainConfig({ ...partialConfig({ model: "cnn", ...settings }), dataset: { name, flip, crop } });
}
