/** @file A built-in network as one text, e.g. `preact-resnet18:width=16`. */
import { ConfigError } from "@gradalign/tensor";
import type { OptionValue } from "../options/option.ts";
import { readOptions, readWritten, writeOptions } from "../options/written.ts";
import { type ModelName, modelOptions, models } from "./index.ts";
import type { Model } from "./model.ts";

/** A built-in network's name and those of its options that were given. */
export interface Architecture {
  readonly name: ModelName;
  readonly options: Readonly<Record<string, OptionValue>>;
}

/**
 * Reads `NAME` or `NAME:option=value,option=value`.
 *
 * @param source where it was written, for messages.
 * @throws ConfigError for another form, an unknown network, or an option or value that it does not have.
 */
export function parseArchitecture(text: string, source = "--arch"): Architecture {
  const { name, texts } = readWritten(source, text);
  if (!Object.hasOwn(models, name)) throw new ConfigError(`${source} (="${text}") must begin with one of ${Object.keys(models).join(", ")}`);
  return { name: name as ModelName, options: readOptions(source, name, modelOptions(name), texts) };
}

/** A built-in model's name and its options; classes and the images' shape are the data's. */
export function architectureOf({ name, config }: Pick<Model, "name" | "config">): Architecture {
  const options = Object.keys(modelOptions(name)).flatMap((key) => (config[key] === undefined ? [] : [[key, config[key] as OptionValue] as const]));
  return { name: name as ModelName, options: Object.fromEntries(options) };
}

/** The text that {@link parseArchitecture} reads. */
export function writeArchitecture({ name, options }: Architecture): string {
  return writeOptions(name, options);
}
