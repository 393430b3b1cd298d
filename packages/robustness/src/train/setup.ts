/** @file From settings to a step: what it is built from, and the numbers it is given. */
import type { Device } from "@gradalign/tensor";
import { configuredMethod } from "../methods/index.ts";
import type { Method } from "../methods/method.ts";
import type { Model } from "../models/model.ts";
import { optimizers } from "../optim/index.ts";
import type { OptimizerDefinition } from "../optim/optimizer.ts";
import type { Given, OptionTable, TracedValues, ValuesOf } from "../options/option.ts";
import { resolveOptions } from "../options/resolve.ts";
import { inputsOf, tracedValues } from "../options/traced.ts";
import type { TrainConfig } from "./config.ts";
import { isMixed } from "./mixing.ts";
import { DEFAULTS } from "./options.ts";
import { augmentationFor, circumstancesOf } from "./recipes.ts";
import type { StepOptions } from "./step.ts";

/** What a step has to know of its data. */
export interface StepData {
  readonly streamed: boolean;
  readonly classes: number;
}

/** What the step of these settings is built from. */
export function stepOptions(
  config: TrainConfig,
  model: Model,
  { precision }: Pick<Device, "precision">,
  { streamed, classes }: StepData = { streamed: false, classes: 0 },
): StepOptions {
  const { method, options: methodOptions } = configuredMethod(config.method);
  const { name: optimizer, ...optimizerOptions } = config.optimizer;
  const {
    batchSize: whole,
    microBatch: batchSize = whole,
    augment: { crop, flip, ...mixes },
    labelSmoothing = 0,
    averaging = 0,
    weightPerturbation = 0,
    guard = "off",
  } = config;
  const scaleLoss = precision === "float16";
  const chosen = { method, methodOptions, optimizer: optimizers[optimizer], optimizerOptions };
  const watched = guard !== "off";
  const loss = { labelSmoothing, averaging, weightPerturbation, scaleLoss, watched, addGradAlign: false };
  const images = { batchSize, parts: whole / batchSize, streamed, augment: { crop, flip }, mixedClasses: isMixed(mixes) ? classes : 0 };
  return { model, ...chosen, ...loss, ...images };
}

/** The numbers that the step of these settings is given. */
export function stepNumbers({ epsilon, method, optimizer }: TrainConfig): {
  epsilon: number;
  method: Record<string, number>;
  optimizer: Record<string, number>;
} {
  const definition: OptimizerDefinition = optimizers[optimizer.name];
  return {
    epsilon,
    method: inputsOf(configuredMethod(method).method.options, method, epsilon),
    optimizer: inputsOf(definition.options, optimizer, epsilon),
  };
}

/**
 * The options of a method for a loop of one's own, as its loss takes them: those chosen, checked, and the defaults for the others.
 *
 * @throws ConfigError for an unknown name or a forbidden value.
 */
export function lossOptions<Options extends OptionTable>(
  method: Method<Options>,
  epsilon: number,
  chosen: Partial<ValuesOf<Options>> = {},
  { dataset = DEFAULTS.dataset, model = DEFAULTS.model }: { readonly dataset?: string; readonly model?: string } = {},
): TracedValues<Options> {
  const at = circumstancesOf({ dataset, augment: augmentationFor(dataset), model, method, epsilon });
  const values = resolveOptions({ path: "config: method.", owner: method.id }, method.options, chosen, at);
  return tracedValues(method.options, values, inputsOf(method.options, values, epsilon));
}

/** Options that the training loop itself obeys, of whichever method declares them. */
export function loopOptions({ method }: TrainConfig): { readonly replays: number; readonly warmupEpochs: number } {
  const { replays = 1, warmupEpochs = 0 }: Given = method;
  return { replays: Number(replays), warmupEpochs: Number(warmupEpochs) };
}
