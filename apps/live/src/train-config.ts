/** @file What the page's settings mean to training. */
import { type ImageDataset, resolveTrainConfig, type TrainConfig } from "@gradalign/robustness";
import type { RunSettings } from "./protocol.ts";

/**
 * The paper's single-layer network with its recipe.
 *
 * @throws ConfigError when a setting is out of its range.
 */
export function trainConfigOf({ method, epsilon, ...settings }: RunSettings, dataset: ImageDataset): TrainConfig {
  return resolveTrainConfig({ dataset, model: "cnn", method, epsilon: epsilon / 255, ...settings });
}
