/** @file The accuracy of a trained model on clean and on attacked images. */
import { ConfigError, type Device, type Tensor } from "@gradalign/tensor";
import type { Selection } from "../attacks/attack.ts";
import { type AttackPlan, attackPlan } from "../attacks/plan.ts";
import { modelVictim, type Victim } from "../attacks/victim.ts";
import { type ImageSource, readImages } from "../data/source.ts";
import { keyFor } from "../keys.ts";
import type { Model } from "../models/model.ts";
import type { Params } from "../nn/params.ts";
import { linf } from "../threat/linf.ts";
import type { Threat } from "../threat/threat.ts";
import { attack as attackImages } from "./attack.ts";
import { checkEvaluation, checkRadius, disposeBatch, evaluationBatch, openExamples } from "./examples.ts";
import { countZeros } from "./mean.ts";
import { pauser } from "./pause.ts";
import { modelPrograms, type Scored } from "./programs.ts";
import { attackRunner } from "./run-attack.ts";
import { wilsonInterval } from "./wilson.ts";

/** How {@link evaluateRobustness} evaluates. */
export interface EvaluateOptions {
  readonly device: Device;
  /** As `attackPlan` reads it: `none`, `fgsm`, `pgd-50-10` (the paper's), `apgd-t:targets=5`, `autoattack` and others. */
  readonly attack: string;
  /** How restarts are chosen between; the attack's own way unless set: the paper's attacks go by the highest loss, all others by success. */
  readonly selection?: Selection;
  /** Radius in the threat model's units; pixel units [0, 1] for l-infinity. */
  readonly epsilon: number;
  /** The first so many examples; 1000 unless set (the paper's number). */
  readonly n?: number | "all";
  /** Leaves out so many examples before them, so that an evaluation can be done in parts; 0 unless set. */
  readonly skip?: number;
  readonly seed?: number;
  /** Examples at a time; 128 unless set, or 64 where success counts, or less of images of more than 64 x 64 pixels. It does not change the results. */
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
  readonly selection: Selection;
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
export async function evaluateRobustness(model: Model, params: Params, state: Params, split: ImageSource, options: EvaluateOptions): Promise<RobustnessReport> {
  const started = performance.now();
  const { attack, epsilon, threat = linf } = options;
  const plan = attackPlan(attack, threat);
  const selection = options.selection ?? plan?.selection ?? "highest-loss";
  if (selection === "highest-loss" && plan && plan.attacks.length > 1) {
    throw new ConfigError(`evaluate: selection (="highest-loss") compares the restarts of one attack, got ${attack}; leave it out, or name one attack`);
  }
  const imageShape = checkEvaluation("evaluate", model, params, state, split, options.imageShape);
  checkRadius("evaluate", epsilon, threat);
  const skip = options.skip ?? 0;
  if (!Number.isInteger(skip) || skip < 0 || skip >= split.count) {
    throw new ConfigError(`evaluate: skip (=${skip}) must be an integer from 0 to ${split.count - 1}, below the number of images`);
  }
  const total = exampleCount(options.n ?? Math.min(1000, split.count - skip), split.count - skip);
  const size = Math.min(options.batchSize ?? evaluationBatch(imageShape, selection === "success" ? 64 : 128), total);
  if (!Number.isInteger(size) || size < 1) throw new ConfigError(`evaluate: batchSize (=${options.batchSize}) must be a positive integer`);

  const images = { split, imageShape, skip, total, size };
  const totals =
    selection === "success" && plan
      ? await bySuccess(modelVictim(model, params, state, { shape: imageShape }), plan, threat, images, options)
      : await byHighestLoss(model, { params, state }, plan, threat, images, options);
  return {
    attack,
    selection,
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

/** The images of an evaluation, and how many are in a batch. */
interface Images {
  readonly split: ImageSource;
  readonly imageShape: readonly number[];
  readonly skip: number;
  readonly total: number;
  readonly size: number;
}

/** Images with a right answer, clean and attacked, the sum of losses, and images whose logits are not finite. */
interface Totals {
  clean: number;
  robust: number;
  loss: number;
  nonFinite: number;
}

/** As the paper's code does: every restart on every image, in batches of one size; without an attack, the clean images. */
async function byHighestLoss(
  model: Model,
  tensors: { readonly params: Params; readonly state: Params },
  plan: AttackPlan | null,
  threat: Threat,
  { split, imageShape, skip, total, size }: Images,
  { device, epsilon, seed = 0, signal, onProgress }: EvaluateOptions,
): Promise<Totals> {
  const pause = pauser();
  const keyOf = (index: number, restart: number) => keyFor(seed, "evaluation", index, restart);
  const programs = modelPrograms(model, device);
  const [named] = plan?.attacks ?? [];
  const runner = named && attackRunner(programs, named.attack, named.options, threat);
  const totals = { clean: 0, robust: 0, loss: 0, nonFinite: 0 };
  const examples = await openExamples(split, imageShape, size, skip + total);
  try {
    for (let first = 0; first < total; first += size) {
      signal?.throwIfAborted();
      const batch = await examples.batch(skip + first);
      const clean: Scored = programs.score(tensors, batch.x, batch.labels);
      const attacked = runner ? await runner.run({ tensors, ...batch }, { epsilon, keyOf, pause }) : clean;
      totals.clean += await sumFirst(clean.correct, batch.count);
      totals.robust += await sumFirst(attacked.correct, batch.count);
      totals.loss += await sumFirst(attacked.losses, batch.count);
      totals.nonFinite += await countZeros(batch.count, clean.finite, attacked.finite);
      for (const value of new Set<Tensor>([...Object.values(clean), ...Object.values(attacked)])) value.dispose();
      disposeBatch(batch);
      const done = first + batch.count;
      onProgress?.({ done, total, cleanAccuracy: totals.clean / done, robustAccuracy: totals.robust / done });
      await pause();
    }
  } finally {
    await examples.close();
    runner?.dispose();
    programs.dispose();
  }
  return totals;
}

/** One attack after another on the images that are still answered rightly; the loss of an image that nothing broke is the clean one's. */
async function bySuccess(
  victim: Victim,
  plan: AttackPlan,
  threat: Threat,
  { split, imageShape, skip, total, size }: Images,
  { device, epsilon, seed = 0, signal, onProgress }: EvaluateOptions,
): Promise<Totals> {
  const { outcomes } = await attackImages(victim, await readImages(split, imageShape, skip, total), split.labels.slice(skip, skip + total), {
    device,
    attack: plan,
    threat,
    epsilon,
    key: seed,
    indices: Array.from({ length: total }, (_, i) => skip + i),
    batchSize: size,
    checks: false,
    ...(signal ? { signal } : {}),
    onProgress: ({ done, total: rounds, cleanAccuracy, robustAccuracy }) =>
      onProgress?.({ done: Math.floor((total * done) / rounds), total, cleanAccuracy, robustAccuracy }),
  });
  return {
    clean: outcomes.filter(({ clean }) => clean).length,
    robust: outcomes.filter(({ robust }) => robust).length,
    loss: outcomes.reduce((sum, { loss }) => sum + loss, 0),
    nonFinite: outcomes.filter(({ finite }) => !finite).length,
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
