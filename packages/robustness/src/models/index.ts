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
  // A checkpoint's manifest may say anything.
  const { classes = 10, shape = [3, 32, 32] } = { ...options, ...data };
  const isSize = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
  if (!isSize(classes)) throw new ConfigError(`model: classes (=${JSON.stringify(classes)}) must be an integer of at least 1`);
  if (!Array.isArray(shape) || shape.length !== 3 || !shape.every(isSize)) {
    throw new ConfigError(`model: shape (=${JSON.stringify(shape)}) must be [channels, height, width] of an image`);
  }
  return make({ ...options, ...data });
}
