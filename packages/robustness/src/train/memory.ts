/** @file The memory that a training needs, found by doing its first step and evaluation on a device that computes nothing. */
import { type Device, OutOfMemoryError, planningDevice } from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import { type ImageSource, isResident } from "../data/source.ts";
import { createModel } from "../models/index.ts";
import type { Model } from "../models/model.ts";
import type { TrainConfig } from "./config.ts";
import type { TrainOptions } from "./course.ts";
import { createEvaluator } from "./evaluator.ts";
import { createSession } from "./session.ts";

/** Bytes of device memory that training with these settings needs at most, evaluations included. */
export async function trainingMemory(config: TrainConfig, dataset: ImageDataset, device: Device, own?: Model): Promise<number> {
  const planned = planningDevice(device);
  const model = own ?? createModel(config.model, { classes: dataset.classNames.length, shape: dataset.shape });
  const blank = { ...dataset, train: unread(dataset.train), test: unread(dataset.test) };
  const session = createSession(model, config, blank, planned, { workers: 0 });
  await session.ready(null);
  session.initialize();
  const evaluator = await createEvaluator(model, config, blank, planned, 0);
  const { params, state } = session.current;
  await evaluator.evaluate(params, state, async () => {});
  await session.ready(0);
  session.step(0);
  const { peakBytes } = planned.memory();
  evaluator.dispose();
  session.dispose({ model: true });
  return peakBytes;
}

/** The same source without its pixels, if they are streamed. */
function unread(source: ImageSource): ImageSource {
  if (isResident(source)) return source;
  return { ...source, open: async () => ({ async read() {}, async close() {} }) };
}

/** A phase of a run: its settings and its data. */
export interface PhasePlan {
  readonly config: TrainConfig;
  readonly dataset: ImageDataset;
}

/**
 * Refuses a run whose later phases do not fit, before the first one begins: its own programs are compiled before anything is trained.
 *
 * @throws OutOfMemoryError as {@link sizeThatFits} words it.
 */
export async function checkLaterPhases(phases: readonly PhasePlan[], options: Pick<TrainOptions, "device" | "model">): Promise<void> {
  const { mostBytes } = options.device.memory();
  if (mostBytes === undefined) return;
  for (const { config, dataset } of phases.slice(1)) {
    if ((await trainingMemory(config, dataset, options.device, options.model)) > mostBytes)
      throw new OutOfMemoryError(await sizeThatFits(phases, options, mostBytes));
  }
}

/** The same error with what would fit; where it is not known how much memory there is, the error as it is. */
export async function withSizeThatFits(
  error: OutOfMemoryError,
  phases: readonly PhasePlan[],
  options: Pick<TrainOptions, "device" | "model">,
): Promise<OutOfMemoryError> {
  const { mostBytes } = options.device.memory();
  if (mostBytes === undefined || error.message.startsWith("train: ")) return error;
  return new OutOfMemoryError(`${await sizeThatFits(phases, options, mostBytes)}. ${error.message}`, { cause: error });
}

/** What the phase that needs the most memory needs, the batch that would fit, and a micro-batch of the batch that was asked for. */
async function sizeThatFits(phases: readonly PhasePlan[], { device, model }: Pick<TrainOptions, "device" | "model">, mostBytes: number): Promise<string> {
  const needs: number[] = [];
  for (const { config, dataset } of phases) needs.push(await trainingMemory(config, dataset, device, model));
  const all = Math.max(...needs);
  const largest = needs.indexOf(all);
  const { config, dataset } = phases[largest] as PhasePlan;
  const { batchSize, microBatch = batchSize } = config;
  const usable = USABLE * mostBytes;
  const { microBatch: _, ...atOnce } = config;
  const fits = async (changed: TrainConfig): Promise<boolean> => (await trainingMemory(changed, dataset, device, model)) <= usable;
  const size = await largestThatFits(microBatch, (images) => fits({ ...atOnce, batchSize: images }));
  const parts = Array.from({ length: size }, (_, i) => size - i).find((images) => batchSize % images === 0) ?? 0;
  const whole = size === 0 ? "not even one image at a time would fit: use a smaller model or fewer training images (trainSize)" : `batchSize ${size} would fit`;
  // Some methods have no micro-batches.
  const part = parts > 0 && (await fits({ ...config, microBatch: parts }).catch(() => false)) ? `, or microBatch ${parts} with the same batchSize` : "";
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
  const where = phases.length === 1 ? "" : ` in phase ${largest + 1}`;
  return (
    `train: batchSize ${batchSize}${microBatch < batchSize ? ` in micro-batches of ${microBatch}` : ""}${where} needs ${gib(all)} GiB of the device's ` +
    `memory, which is at most ${gib(mostBytes)} GiB; ${whole}${part}`
  );
}

/** Of a device's memory; the rest is code, and gaps between what comes and goes. */
const USABLE = 0.95;

/** The largest size below `most` that fits, or 0, by halving. */
async function largestThatFits(most: number, fits: (size: number) => Promise<boolean>): Promise<number> {
  let [good, bad] = [0, most];
  // A thirty-second more or less is nothing that a user would notice; each try plans a program.
  while (bad - good > Math.max(1, most / 32)) {
    const size = (good + bad) >> 1;
    if (await fits(size)) good = size;
    else bad = size;
  }
  return good;
}
