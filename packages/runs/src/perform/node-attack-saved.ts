/**
 * @file Attacks on a run's saved models after training, a hundred images or so at a time; each part is noted in the run's folder,
 * so that an attack that was cut off goes on where it stopped. Random starts belong to images, so parts do not change the outcome.
 */

import { evaluateRobustness, evaluationBatch, type TrainConfig, type TrainResult, wilsonInterval } from "@gradalign/robustness";
import type { LoadedDataset } from "@gradalign/robustness/node";
import type { Device } from "@gradalign/tensor";
import { type AttackPart, noteAttackPart, noteRobustness, readAttackParts, readRobustness } from "../folder/node-notes.ts";
import type { RunView } from "../run/events.ts";
import type { RobustnessRecord } from "../run/run-data.ts";

/** One attack on one saved model. */
export interface FinalAttack {
  /** As `attackPlan` reads it; `none` for no evaluation at all. */
  readonly attack: string;
  /** Radius in pixel units; the training's unless set. */
  readonly epsilon?: number;
  /** The first so many test images; all if there are fewer. */
  readonly examples: number;
  readonly which: "last" | "best";
}

/** What {@link attackSaved} needs. */
export interface AttackRequest {
  /** Name of the run in the view. */
  readonly label: string;
  readonly folder: string;
  readonly config: TrainConfig;
  readonly data: LoadedDataset;
  readonly device: Device;
  readonly attacks: readonly FinalAttack[];
  readonly view: Pick<RunView, "event">;
  readonly signal: AbortSignal;
}

/** Images in a part. */
const PART = 128;

/** Carries out the attacks that the folder does not yet have the outcome of. */
export async function attackSaved(request: AttackRequest, result: TrainResult): Promise<void> {
  const { label, folder, config, data, attacks, view } = request;
  const { evaluations, best } = result;
  const saved = {
    last: { params: result.params, state: result.state, iteration: evaluations.at(-1)?.iteration ?? 0 },
    best: best ?? undefined,
  };
  const done: RobustnessRecord[] = readRobustness(folder);
  for (const { attack, which, epsilon = config.epsilon, examples } of attacks) {
    const target = saved[which];
    if (!target || attack === "none") continue;
    const { iteration } = target;
    const wanted = { iteration, attack, epsilon, n: Math.min(examples, data.dataset.test.count), seed: config.seed };
    // The best may be the last, and a resumed run may have been attacked before.
    const known = done.find((record) => (Object.keys(wanted) as (keyof typeof wanted)[]).every((key) => record[key] === wanted[key]));
    const record = known ? { ...known, which } : { which, ...wanted, ...(await attackInParts(request, target, result, { which, ...wanted })) };
    if (!known || known.which !== which) {
      done.push(record);
      noteRobustness(folder, record);
    }
    view.event(label, { type: "robustness", record });
  }
}

type Wanted = Pick<RobustnessRecord, "which" | "iteration" | "attack" | "epsilon" | "n" | "seed">;

async function attackInParts(
  { label, folder, config: { microBatch }, data, device, view, signal }: AttackRequest,
  target: Pick<TrainResult, "params" | "state">,
  { model }: TrainResult,
  wanted: Wanted,
) {
  const { which, iteration, attack, epsilon, n, seed } = wanted;
  const parts = readAttackParts(folder).filter(
    (part) => part.iteration === iteration && part.attack === attack && part.epsilon === epsilon && part.seed === seed,
  );
  const sums = { clean: 0, robust: 0, loss: 0, nonFinite: 0, seconds: 0 };
  for (let skip = 0; skip < n; skip += PART) {
    const size = Math.min(PART, n - skip);
    view.event(label, { type: "attacking", attack, which, done: skip, total: n });
    let part = parts.find((known) => known.skip === skip && known.n === size);
    if (!part) {
      const limit = Math.min(evaluationBatch(data.dataset.shape, microBatch ?? PART), PART);
      const options = { device, attack, epsilon, skip, n: size, seed, batchSize: Math.min(limit, n), signal };
      const report = await evaluateRobustness(model, target.params, target.state, data.dataset.test, options);
      const { cleanAccuracy, robustAccuracy, meanLoss, nonFiniteShare, seconds } = report;
      const counts = {
        clean: Math.round(cleanAccuracy * size),
        robust: Math.round(robustAccuracy * size),
        loss: meanLoss * size,
        nonFinite: Math.round(nonFiniteShare * size),
      };
      part = { iteration, attack, epsilon, seed, skip, n: size, ...counts, seconds } satisfies AttackPart;
      noteAttackPart(folder, part);
    }
    for (const key of ["clean", "robust", "loss", "nonFinite", "seconds"] as const) sums[key] += part[key] ?? 0;
  }
  view.event(label, { type: "attacking", attack, which, done: n, total: n });
  return {
    cleanAccuracy: sums.clean / n,
    robustAccuracy: sums.robust / n,
    confidence95: wilsonInterval(sums.robust, n),
    meanLoss: sums.loss / n,
    nonFiniteShare: sums.nonFinite / n,
    seconds: sums.seconds,
  };
}
