/** @file The registry of models: one line each. */
import { ConfigError } from "@gradalign/tensor";
import { closestName } from "../options/closest-name.ts";
import type { OptionTable, OptionValue, ValuesOf } from "../options/option.ts";
import { checkNames } from "../options/resolve.ts";
import { cnnDefinition as cnn } from "./cnn.ts";
import { dmPreactResnetDefinition as dmPreactResnet } from "./dm-preact-resnet.ts";
import { dmWideResnetDefinition as dmWideResnet } from "./dm-wide-resnet.ts";
import type { Model, ModelData, ModelDefinition } from "./model.ts";
import {
  preactResnet18Definition as preactResnet18,
  preactResnet18FinalNormDefinition as preactResnet18FinalNorm,
  preactResnet18V2Definition as preactResnet18V2,
} from "./preact-resnet18.ts";
import { resnet18Definition as resnet18, resnet34Definition as resnet34, resnet50Definition as resnet50 } from "./resnet.ts";
import { wideResnetDefinition as wideResnet } from "./wide-resnet.ts";

/** Every built-in model by name. */
export const models = {
  cnn: cnn,
  "preact-resnet18": preactResnet18,
  "preact-resnet18-final-norm": preactResnet18FinalNorm,
  "preact-resnet18-v2": preactResnet18V2,
  resnet18,
  resnet34,
  resnet50,
  "wide-resnet": wideResnet,
  "dm-wide-resnet": dmWideResnet,
  "dm-preact-resnet": dmPreactResnet,
} satisfies Readonly<Record<string, ModelDefinition>>;

/** Every built-in model's name. */
export type ModelName = keyof typeof models;

/** A model's name and size, as stored in a run's settings: a built-in one's, or the name of one of your own. */
export type ModelConfig =
  | { [Name in ModelName]: { readonly name: Name } & Partial<ValuesOf<(typeof models)[Name]["options"]>> }[ModelName]
  | { readonly name: string };

/** The options of a built-in model; models of one's own have none. */
export function modelOptions(name: string): OptionTable {
  return Object.hasOwn(models, name) ? models[name as ModelName].options : {};
}

/**
 * Makes a built-in model for a dataset's classes and image shape.
 *
 * @throws ConfigError when no model has that name, or it has no such option or value.
 */
export function createModel({ name, ...options }: ModelConfig, data: ModelData = {}): Model {
  if (!Object.hasOwn(models, name)) {
    const close = closestName(String(name), Object.keys(models));
    const remedy = close === undefined ? `pass your own model as train's option "model"` : `did you mean ${close}?`;
    throw new ConfigError(`model: name (="${name}") must be one of ${Object.keys(models).join(", ")}; ${remedy}`);
  }
  // A checkpoint's manifest may say anything.
  const { classes = 10, shape = [3, 32, 32], ...own }: ModelData & Readonly<Record<string, unknown>> = { ...options, ...data };
  const isSize = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
  if (!isSize(classes)) throw new ConfigError(`model: classes (=${JSON.stringify(classes)}) must be an integer of at least 1`);
  if (!Array.isArray(shape) || shape.length !== 3 || !shape.every(isSize)) {
    throw new ConfigError(`model: shape (=${JSON.stringify(shape)}) must be [channels, height, width] of an image`);
  }
  const definition: ModelDefinition = models[name as ModelName];
  checkNames({ path: "model.", owner: name }, definition.options, own);
  return definition.create(own as Readonly<Record<string, OptionValue>>, { classes, shape });
}
