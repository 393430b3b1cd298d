/** @file The accuracy of a trained model on clean and on attacked images. */
import { ConfigError, type Device, type Tensor } from "@gradalign/tensor";
import { parseAttack } from "../attacks/index.ts";
import type { ImageSplit } from "../data/dataset.ts";
import { keyFor } from "../keys.ts";
import type { Model } from "../models/model.ts";
import type { Params } from "../nn/params.ts";
import { linf } from "../threat/linf.ts";
import type { Threat } from "../threat/threat.ts";
import { checkEvaluation, checkRadius, disposeBatch, exampleBatch } from "./examples.ts";
import { countZeros } from "./mean.ts";
import { pauser } from "./pause.ts";
import { modelPrograms, type Scored } from "./programs.ts";
import { attackRunner } from "./run-attack.ts";
import { wilsonInterval } from "./wilson.ts";

/** How {@link evaluateRobustness} evaluates. */
export interface EvaluateOptions {
  readonly device: Device;
  /** `none`, `fgsm`, `fgsm-rs`, `random-corner`, `pgd-STEPS`, `pgd-STEPS-RESTARTS`, `pgd-corner-STEPS`; the paper's is `pgd-50-10`. */
  readonly attack: string;
  /** Radius in the threat model's units; pixel units [0, 1] for l-infinity. */
  readonly epsilon: number;
  /** The first so many examples; 1000 unless set (the paper's number). */
  readonly n?: number | "all";
  /** Leaves out so many examples before them, so that an evaluation can be done in parts; 0 unless set. */
  readonly skip?: number;
  readonly seed?: number;
  /** Examples at a time; 128 unless set. It does not change the results. */
  readonly batchSize?: number;
  /** Image shape [C, H, W]; the model's own unless set. */
  readonly imageShape?: readonly number[];
  readonly threat?: Threat;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly cleanAccuracy: number; readonly robustAccuracy: number }) => void;
  /** Stops between batches by rejecting with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** An evaluation's outcome; accuracies in [0, 1]. */
export interface RobustnessReport {
  readonly attack: string;
  readonly epsilon: number;
  readonly n: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  /** Wilson's 95 % interval of the robust accuracy. */
  readonly confidence95: readonly [low: number, high: number];
  /** Mean cross-entropy on the attacked images; NaN or infinite where an image's is. */
  readonly meanLoss: number;
  /** Share of the images whose logits are not finite, clean or under attack: wrong answers all. */
  readonly nonFiniteShare: number;
  readonly seconds: number;
}

/**
 * Clean and robust accuracy in eval mode. An image whose logits are not finite is answered wrongly.
 *
 * @throws ConfigError for an unknown attack, one that the threat model does not have, or impossible numbers; DataError when the split is
 * not one (labels of no class, too few of them, images that are not bytes) or does not fit the model.
 */
export async function evaluateRobustness(model: Model, params: Params, state: Params, split: ImageSplit, options: EvaluateOptions): Promise<RobustnessReport> {
  const started = performance.now();
  const { device, attack, epsilon, seed = 0, threat = linf, signal } = options;
  const named = parseAttack(attack);
  const imageShape = checkEvaluation("evaluate", model, params, state, split, options.imageShape);
  checkRadius("evaluate", epsilon, threat);
  const skip = options.skip ?? 0;
  if (!Number.isInteger(skip) || skip < 0 || skip >= split.count) {
    throw new ConfigError(`evaluate: skip (=${skip}) must be an integer from 0 to ${split.count - 1}, below the number of images`);
  }
  const total = exampleCount(options.n ?? Math.min(1000, split.count - skip), split.count - skip);
  const size = Math.min(options.batchSize ?? 128, total);
  if (!Number.isInteger(size) || size < 1) throw new ConfigError(`evaluate: batchSize (=${options.batchSize}) must be a positive integer`);

  const pause = pauser();
  const tensors = { params, state };
  const keyOf = (index: number, restart: number) => keyFor(seed, "evaluation", index, restart);
  const programs = modelPrograms(model, device);
  const runner = named && attackRunner(programs, named.attack, named.options, threat);
  const totals = { clean: 0, robust: 0, loss: 0, nonFinite: 0 };
  try {
    for (let first = 0; first < total; first += size) {
      signal?.throwIfAborted();
      const batch = exampleBatch(split, imageShape, skip + first, size, skip + total);
      const clean: Scored = programs.score(tensors, batch.x, batch.labels);
      const attacked = runner ? await runner.run({ tensors, ...batch }, { epsilon, keyOf, pause }) : clean;
      totals.clean += await sumFirst(clean.correct, batch.count);
      totals.robust += await sumFirst(attacked.correct, batch.count);
      totals.loss += await sumFirst(attacked.losses, batch.count);
      totals.nonFinite += await countZeros(batch.count, clean.finite, attacked.finite);
      for (const value of new Set<Tensor>([...Object.values(clean), ...Object.values(attacked)])) value.dispose();
      disposeBatch(batch);
      const done = first + batch.count;
      options.onProgress?.({ done, total, cleanAccuracy: totals.clean / done, robustAccuracy: totals.robust / done });
      await pause();
    }
  } finally {
    runner?.dispose();
    programs.dispose();
  }
  return {
    attack,
    epsilon,
    n: total,
    cleanAccuracy: totals.clean / total,
    robustAccuracy: totals.robust / total,
    confidence95: wilsonInterval(totals.robust, total),
    meanLoss: totals.loss / total,
    nonFiniteShare: totals.nonFinite / total,
    seconds: (performance.now() - started) / 1000,
  };
}

function exampleCount(n: number | "all", available: number): number {
  if (n === "all") return available;
  if (!Number.isInteger(n) || n < 1 || n > available) {
    throw new ConfigError(`evaluate: n (=${n}) must be "all" or an integer from 1 to ${available}, the number of images`);
  }
  return n;
}

/** Sum of the first `count` elements. */
async function sumFirst(values: Tensor, count: number): Promise<number> {
  const data = await values.read();
  let total = 0;
  for (let i = 0; i < count; i++) total += data[i] as number;
  return total;
}
