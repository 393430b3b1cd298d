/** @file What a model is: pure functions of named tensors. A user's own model is any object of this shape. */

import type { JsonObject } from "@gradalign/formats";
import type { Value } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import type { OptionTable, ValuesOf } from "../options/option.ts";
import type { Network } from "./network.ts";

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
  /**
   * One forward pass; `train` chooses batch statistics (and moves the running ones) over running statistics. `first`, which only models with a
   * first layer of their own are given, stands for its output.
   */
  apply(params: Params, state: Params, x: Value, mode: { readonly train: boolean; readonly first?: Value }): ModelOutput;
  /** The first convolution's output at images x, for methods that look at that layer alone. */
  first?(params: Params, state: Params, x: Value): Value;
  /** Of what layers it is made, for formats that store graphs. */
  readonly network?: Network;
}

/** What a built-in model needs to know of the data. */
export interface ModelData {
  /** Number of classes; 10 unless set. */
  readonly classes?: number;
  /** [channels, height, width]; [3, 32, 32] unless set. */
  readonly shape?: readonly [number, number, number];
}

/** The shape of a tensor by name, where there is one. */
export type ShapeOf = (name: string) => readonly number[] | undefined;

/** A built-in model: one file, one line in the registry. */
export interface ModelDefinition<Options extends OptionTable = OptionTable> {
  readonly id: string;
  /** Where it comes from. */
  readonly paper: string;
  readonly options: Options;
  /** What a network with tensors of these shapes would be, if it may be one of these; names of all tensors are compared afterwards. */
  recognize?(shapeOf: ShapeOf): { readonly options: Partial<ValuesOf<Options>>; readonly classes: number; readonly channels: number } | undefined;
  /** Makes it; options that are left out have their defaults. Throws ConfigError for a value that its option forbids. */
  create(options: Partial<ValuesOf<Options>>, data: ModelData): Model;
}

/** The same definition: makes `create` see the options that it declares. */
export function defineModel<const Options extends OptionTable>(definition: ModelDefinition<Options>): ModelDefinition<Options> {
  return definition;
}
