/** @file Between the flat settings of flags and files and the library's nested, resolved config. */

import type { PartialTrainConfig, TrainConfig } from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import type { TrainingSettings } from "./settings.ts";

const METHOD_OPTIONS = ["stepSize", "steps", "start", "lambda", "mu", "branches", "adversary", "replays", "warmupEpochs"] as const;

/**
 * The library's config with only what was given; the library fills in the rest.
 *
 * @throws ConfigError when a size of one model is given for another.
 */
export function partialConfig(settings: TrainingSettings): PartialTrainConfig {
  const { dataset, filters, width, epsilon, lr, optimizer, momentum, weightDecay, schedule, crop, flip } = settings;
  const { epochs, seed, batchSize, trainSize, validationSize, evalEvery, evalExamples } = settings;
  const model = settings.model ?? (filters !== undefined ? "cnn" : width !== undefined ? "preact-resnet18" : undefined);
  if (filters !== undefined && model !== "cnn") throw new ConfigError(`--filters (=${filters}) must be left out for ${model}; it is the size of the cnn`);
  if (width !== undefined && model !== "preact-resnet18") {
    throw new ConfigError(`--width (=${width}) must be left out for ${model}; it is the size of preact-resnet18`);
  }
  const hasMethodOption = METHOD_OPTIONS.some((option) => settings[option] !== undefined);
  const method = settings.method ?? (hasMethodOption ? "fgsm-gradalign" : undefined);
  return given({
    dataset,
    model: given({ name: model, filters, width }),
    method: given({ name: method, ...Object.fromEntries(METHOD_OPTIONS.map((option) => [option, settings[option]])) }),
    epsilon: epsilon === undefined ? undefined : epsilon / 255,
    optimizer: given({ name: optimizer, momentum, weightDecay }),
    schedule: given({ name: schedule, peak: lr }),
    augment: given({ crop, flip: flip === undefined ? undefined : flip === "yes" }),
    ...{ epochs, seed, batchSize, trainSize, validationSize, evalEvery, evalExamples },
  }) as PartialTrainConfig;
}

/** The settings that a resolved config came from or might have come from. */
export function settingsOfConfig(config: TrainConfig): TrainingSettings {
  const { model, method, optimizer, schedule, augment } = config;
  const { dataset, epochs, seed, batchSize, trainSize, validationSize, evalEvery, evalExamples } = config;
  const options = method as unknown as Record<string, unknown>;
  return given({
    dataset,
    model: model.name,
    filters: "filters" in model ? model.filters : undefined,
    width: "width" in model ? model.width : undefined,
    method: method.name,
    epsilon: Number((config.epsilon * 255).toFixed(9)),
    epochs,
    seed,
    lr: schedule.peak,
    ...Object.fromEntries(METHOD_OPTIONS.map((option) => [option, options[option]])),
    optimizer: optimizer.name,
    momentum: optimizer.name === "sgd" ? optimizer.momentum : undefined,
    weightDecay: optimizer.weightDecay,
    schedule: schedule.name,
    batchSize,
    trainSize: trainSize ?? undefined,
    validationSize,
    crop: augment.crop,
    flip: augment.flip ? "yes" : "no",
    evalEvery,
    evalExamples,
  }) as TrainingSettings;
}

/** Without undefined values, and without objects that have nothing else. */
function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && !(typeof value === "object" && value !== null && Object.keys(value).length === 0)),
  );
}
