/** @file Which built-in networks a file's weights may belong to, and the one of a given name. */
import { type FileTensor, FormatError } from "@gradalign/formats";
import { ConfigError } from "@gradalign/tensor";
import type { Architecture } from "../models/architecture.ts";
import { createModel, type ModelConfig, models } from "../models/index.ts";
import type { Model, ModelDefinition } from "../models/model.ts";
import { checkWeights } from "./load-weights.ts";

/** A built-in network that has exactly a file's tensors. */
export interface Recognized {
  /** Its name and options. */
  readonly config: ModelConfig;
  readonly classes: number;
  readonly model: Model;
}

/**
 * The built-in networks that have exactly these tensors. There may be several: variants that compute differently with the same tensors.
 *
 * @param size height and width of the images, where they are not 32 x 32.
 */
export function recognizeModels(tensors: ReadonlyMap<string, FileTensor>, size: readonly [number, number] = [32, 32]): Recognized[] {
  return Object.entries(models as Readonly<Record<string, ModelDefinition>>).flatMap(([name, definition]) => {
    const found = definition.recognize?.((tensor) => tensors.get(tensor)?.shape);
    if (!found) return [];
    const config: ModelConfig = { name, ...found.options };
    try {
      const model = createModel(config, { classes: found.classes, shape: [found.channels, ...size] });
      checkWeights(model, tensors);
      return [{ config, classes: found.classes, model }];
    } catch (error) {
      // Of another size than any that can be made, or with other tensors.
      if (error instanceof ConfigError || error instanceof FormatError) return [];
      throw error;
    }
  });
}

/**
 * The network of that name, with the file's number of classes and channels; options that are not given are the file's too, where its tensors tell.
 * Whether the weights fit is {@link checkWeights}'s to say.
 *
 * @param size height and width of the images, where they are not 32 x 32.
 * @throws ConfigError where there is no such network.
 */
export function networkNamed(
  { name, options }: Architecture,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  size: readonly [number, number] = [32, 32],
): Model {
  const definition: ModelDefinition = models[name];
  const found = definition.recognize?.((tensor) => tensors.get(tensor)?.shape);
  const config: ModelConfig = { name, ...found?.options, ...options };
  return createModel(config, { classes: found?.classes ?? 10, shape: [found?.channels ?? 3, ...size] });
}
