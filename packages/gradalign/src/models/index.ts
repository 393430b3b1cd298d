/** @file The registry of models: one line each. */
import { ConfigError } from "@gradalign/tensor";
import { cnn } from "./cnn.ts";
import type { Model, ModelData } from "./model.ts";
import { preactResnet18 } from "./preact-resnet18.ts";

/** A model's name and size, as stored in a run's settings. */
export interface ModelConfig {
  readonly name: string;
  /** cnn: number of filters. */
  readonly filters?: number;
  /** preact-resnet18: channels of the first stage. */
  readonly width?: number;
}

/** Every built-in model by name. */
export const models: Readonly<Record<string, (options: Omit<ModelConfig, "name"> & ModelData) => Model>> = {
  cnn,
  "preact-resnet18": preactResnet18,
};

/**
 * Makes a built-in model for a dataset's classes and image shape.
 *
 * @throws ConfigError when no model has that name.
 */
export function createModel({ name, ...options }: ModelConfig, data: ModelData = {}): Model {
  const make = Object.hasOwn(models, name) ? models[name] : undefined;
  if (!make) throw new ConfigError(`model: name (="${name}") must be one of ${Object.keys(models).join(", ")}; pass your own model as train's option "model"`);
  return make({ ...options, ...data });
}
