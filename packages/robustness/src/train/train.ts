/** @file Training: what is checked before it begins, and what is freed after it. */
import { ConfigError, GradalignError, LimitError, OutOfMemoryError, tensor, zeros } from "@gradalign/tensor";
import { type ImageDataset, imageDataset } from "../data/dataset.ts";
import { createModel, models } from "../models/index.ts";
import type { Model } from "../models/model.ts";
import type { TrainConfig } from "./config.ts";
import { perform, type TrainOptions, type TrainResult } from "./course.ts";
import { checkLaterPhases, withSizeThatFits } from "./memory.ts";
import { phaseConfigs, phaseRuns } from "./phase-runs.ts";
import { phasesOf } from "./phases.ts";

/**
 * Trains a model as the settings say. On one backend, equal settings give equal bits, whatever the number of threads, stopped and resumed or not.
 *
 * @throws ConfigError for settings, a model and a data set that do not fit together; DataError for a data set too small or with
 * labels of no class; CheckpointError when `resume`
 * belongs to another run; TrainingError when the loss stops being finite; LimitError when a GPU's limits are too small for the batch or
 * the data; OutOfMemoryError when a device's memory does not suffice; DeviceError when the device is lost; both with the last checkpoint as it was.
 * @example
 * const result = await train(resolveTrainConfig({ dataset: data, model: "cnn", method: "fgsm", epochs: 5 }), data, { device });
 */
export async function train(config: TrainConfig, dataset: ImageDataset, options: TrainOptions): Promise<TrainResult> {
  try {
    return await run(config, dataset, options);
  } catch (error) {
    throw error instanceof LimitError ? withRemedy(error, config, dataset) : error;
  }
}

async function run(config: TrainConfig, given: ImageDataset, options: TrainOptions): Promise<TrainResult> {
  // Whoever made it: labels and images are checked.
  const dataset = imageDataset(given);
  if (dataset.name !== config.dataset) {
    throw new ConfigError(
      `train: the settings are for the data set "${config.dataset}", the one given is "${dataset.name}"; resolve the settings with this data set`,
    );
  }
  if (!options?.device) throw new ConfigError("train: options.device is missing; pass { device: await createDevice() }");
  const { device, programs, workers } = options;
  const model = modelFor(config, dataset, options.model);
  const datasets = phaseDatasets(config, dataset, options.phaseData?.map(imageDataset));
  const configs = phaseConfigs(config);
  for (const [i, data] of datasets.entries()) checkFit(model, configs[i] as TrainConfig, data);
  const plans = datasets.map((data, i) => ({ config: configs[i] as TrainConfig, dataset: data }));
  await checkLaterPhases(plans, options);
  const phases = phaseRuns(model, config, datasets, device, { programs, workers });
  let result: TrainResult | null = null;
  try {
    result = await perform({ model, phases, config, datasets, options });
    return result;
  } catch (error) {
    throw error instanceof OutOfMemoryError ? await withSizeThatFits(error, plans, options) : error;
  } finally {
    phases.dispose({ model: result === null });
  }
}

/** What each phase trains on: the data set, unless phases have images of their own. */
function phaseDatasets(config: TrainConfig, dataset: ImageDataset, given: readonly ImageDataset[] | undefined): readonly ImageDataset[] {
  const phases = phasesOf(config);
  if (!given && phases.every(({ imageSize, data }) => imageSize === undefined && data === undefined)) return phases.map(() => dataset);
  if (given?.length !== phases.length) {
    throw new ConfigError(
      `train: options.phaseData must have a data set for each of the ${phases.length} phases, since phases have images of their own, got ${given?.length ?? "none"}; pass them`,
    );
  }
  const datasets = [...given.slice(0, -1), dataset];
  for (const [i, { imageSize }] of phases.entries()) {
    const { shape, classNames } = datasets[i] as ImageDataset;
    if (imageSize !== undefined && (shape[1] !== imageSize || shape[2] !== imageSize)) {
      throw new ConfigError(`train: phase ${i + 1} is of images of ${imageSize} pixels, its data set has ${shape[1]} x ${shape[2]}; pass one of that size`);
    }
    if (classNames.join("\n") !== dataset.classNames.join("\n")) {
      throw new ConfigError(
        `train: phase ${i + 1} has other classes (${classNames.length}) than the last phase (${dataset.classNames.length}); pass data of the same classes`,
      );
    }
  }
  return datasets;
}

/** The same error with the size that would fit: of the data where they are what is too large, else of the batch. */
function withRemedy(error: LimitError, config: TrainConfig, dataset: ImageDataset): LimitError {
  const { limit, needed, available } = error;
  const pixels = dataset.shape.reduce((product, extent) => product * extent, 1);
  const remedy =
    needed === pixels * (config.trainSize ?? dataset.train.count)
      ? `the training images do not fit; at most ${Math.floor(available / pixels)} do (trainSize)`
      : `batchSize ${config.batchSize} is too large for this GPU; ${Math.max(1, Math.floor((config.batchSize * available) / needed))} would fit`;
  return new LimitError(`train: ${remedy}. ${error.message}`, limit, needed, available);
}

function modelFor(config: TrainConfig, dataset: ImageDataset, own: Model | undefined): Model {
  if (!own) return createModel(config.model, { classes: dataset.classNames.length, shape: dataset.shape });
  if (own.name !== config.model.name || Object.hasOwn(models, own.name)) {
    throw new ConfigError(
      `train: the model passed as an option is named "${own.name}", the settings say "${config.model.name}"; give both one name that is not a built-in model's`,
    );
  }
  return own;
}

/** Refuses what cannot work before anything is uploaded or compiled. */
function checkFit(model: Model, config: TrainConfig, dataset: ImageDataset): void {
  const { shape, classNames, name } = dataset;
  const [, height, width] = shape;
  if (config.augment.crop >= Math.min(height, width)) {
    throw new ConfigError(`train: augment.crop (=${config.augment.crop}) must be less than the images' ${height} x ${width} pixels; use 0 for no random crop`);
  }
  const expected = [config.batchSize, classNames.length];
  const misfit = (what: string, cause?: unknown): ConfigError =>
    new ConfigError(`train: the model ${model.name} does not fit the data set ${name} (images [${shape.join(", ")}], ${classNames.length} classes): ${what}`, {
      cause,
    });
  let logits: readonly number[];
  try {
    const { params, state } = model.init(tensor(new Int32Array(2)));
    // Values are lazy: this checks shapes and computes nothing.
    logits = model.apply(params, state, zeros([config.batchSize, ...shape]), { train: true }).logits.shape;
  } catch (error) {
    if (error instanceof GradalignError) throw misfit(error.message, error);
    throw error;
  }
  if (logits.join() !== expected.join()) throw misfit(`its logits are [${logits.join(", ")}], expected [${expected.join(", ")}]`);
}
