/** @file What a model is: pure functions of named tensors. A user's own model is any object of this shape. */

import type { JsonObject } from "@gradalign/formats";
import type { Value } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import type { OptionTable, ValuesOf } from "../options/option.ts";

/** Trainable parameters and batch-norm statistics. */
export interface ModelTensors {
  readonly params: Params;
  /** Running statistics; empty for models without batch norm. */
  readonly state: Params;
}

/** Logits [N, classes] and the statistics after this forward pass. */
export interface ModelOutput {
  readonly logits: Value;
  readonly state: Params;
}

/** A classifier of NCHW images in [0, 1]. */
export interface Model {
  readonly name: string;
  /** Everything that, with the name, determines the tensors' names and shapes. */
  readonly config: JsonObject;
  /** Initial tensors drawn with a key (int32 [2]). */
  init(key: Value): ModelTensors;
  /** One forward pass; `train` chooses batch statistics (and moves the running ones) over running statistics. */
  apply(params: Params, state: Params, x: Value, mode: { readonly train: boolean }): ModelOutput;
}

/** What a built-in model needs to know of the data. */
export interface ModelData {
  /** Number of classes; 10 unless set. */
  readonly classes?: number;
  /** [channels, height, width]; [3, 32, 32] unless set. */
  readonly shape?: readonly [number, number, number];
}

/** A built-in model: one file, one line in the registry. */
export interface ModelDefinition<Options extends OptionTable = OptionTable> {
  readonly id: string;
  /** Where it comes from. */
  readonly paper: string;
  readonly options: Options;
  /** Makes it; options that are left out have their defaults. Throws ConfigError for a value that its option forbids. */
  create(options: Partial<ValuesOf<Options>>, data: ModelData): Model;
}

/** The same definition: makes `create` see the options that it declares. */
export function defineModel<const Options extends OptionTable>(definition: ModelDefinition<Options>): ModelDefinition<Options> {
  return definition;
}
