/** @file An evaluation from its settings to its record, in a folder that it can be gone on with from. */
import {
  type Arithmetic,
  type AttackProgress,
  type AttackReport,
  attack,
  attackPlan,
  checkAims,
  type ImageOutcome,
  readImages,
  type Selection,
  type TargetRule,
  type Victim,
  wilsonInterval,
} from "@gradalign/robustness";
import type { LoadedDataset } from "@gradalign/robustness/node";
import type { Device } from "@gradalign/tensor";
import { epsilonOf, type Fraction } from "../evaluation/fraction.ts";
import { type BrokenImage, type EvaluationFolderOptions, withEvaluation } from "../evaluation/node-folder.ts";
import { idOf } from "../evaluation/node-identity.ts";
import type { EvaluationIdentity, EvaluationRecord, JudgedModel } from "../evaluation/record.ts";
import { noteRobustness, readRobustness } from "../folder/node-notes.ts";
import type { RobustnessRecord } from "../run/run-data.ts";
import { provenance } from "./node-provenance.ts";
import { VERSION } from "./node-version.ts";

/** What is to be evaluated, and how. */
export interface EvaluationSettings {
  readonly model: JudgedModel;
  readonly data: LoadedDataset;
  /** The data set's name in the record. */
  readonly dataName: string;
  /** The first so many test images. */
  readonly count: number;
  /** `linf`, `l2` or `l1`. */
  readonly norm: string;
  readonly epsilon: Fraction;
  /** As `attackPlan` reads it; `none` counts right answers. */
  readonly attack: string;
  /** How restarts are chosen between; the attack's own way unless set. */
  readonly selection?: Selection;
  /** Which class each image has to be taken for; any wrong one will do unless set. */
  readonly targets?: TargetRule | undefined;
  readonly seed: number;
  readonly arithmetic: Arithmetic;
}

/**
 * What the settings' evaluation is, before anything is computed.
 *
 * @throws ConfigError for an unknown attack, or one that cannot aim at the targets.
 */
export function evaluationIdentity({
  model,
  data,
  dataName,
  count,
  norm,
  epsilon,
  attack,
  selection: chosen,
  targets,
  seed,
  arithmetic,
}: EvaluationSettings): EvaluationIdentity {
  const { dataset, fingerprint } = data;
  const plan = planOf(attack, norm);
  const selection = chosen ?? plan.selection;
  if (targets !== undefined) checkAims({ attacks: plan.attacks, selection });
  return {
    ...{ format: 1, version: VERSION, arithmetic, model },
    data: { name: dataName, split: "test", fingerprint, classNames: dataset.classNames, first: 0, count },
    ...{ threat: { norm, epsilon }, attack },
    attacks: plan.attacks.map(({ attack: { id }, options }) => ({ attack: id, options })),
    selection,
    ...(targets === undefined ? {} : { targets }),
    seed,
  };
}

/** Where and how an evaluation is carried out. */
export interface EvaluationRequest extends Omit<EvaluationFolderOptions, "identity" | "shape"> {
  readonly settings: EvaluationSettings;
  readonly folder: string;
  readonly victim: Victim;
  readonly device: Device;
  readonly onProgress?: (progress: AttackProgress) => void;
  readonly signal?: AbortSignal;
}

/** A record, and whether it was made now or was there. */
export interface Evaluated {
  readonly record: EvaluationRecord;
  readonly computed: boolean;
}

/**
 * Evaluates, or goes on evaluating, or returns the record that is there.
 *
 * @throws as `withEvaluation` and `attack`; the signal's reason when it is aborted: what was done until then is kept.
 */
export async function evaluate({ settings, folder, victim, device, onProgress, signal, ...options }: EvaluationRequest): Promise<Evaluated> {
  const identity = evaluationIdentity(settings);
  const { test } = settings.data.dataset;
  const { first, count } = identity.data;
  const size = victim.shape.reduce((product, extent) => product * extent, 1);
  let computed = false;
  const record = await withEvaluation(folder, { ...options, identity, shape: victim.shape, ...(signal ? { signal } : {}) }, async (log) => {
    computed = true;
    const images = await readImages(test, victim.shape, first, count);
    const report = await attack(victim, images, test.labels.subarray(first, first + count), {
      device,
      attack: planOf(settings.attack, settings.norm),
      selection: identity.selection,
      ...(identity.targets === undefined ? {} : { targets: identity.targets }),
      threat: settings.norm as "linf",
      epsilon: epsilonOf(settings.epsilon),
      key: settings.seed,
      indices: Array.from({ length: count }, (_, i) => first + i),
      record: log.parts,
      onRecord: log.note,
      ...(onProgress ? { onProgress } : {}),
      ...(signal ? { signal } : {}),
    });
    return log.finish(recordOf(identity, report, device), brokenImages(report, size));
  });
  return { record, computed };
}

/** Adds an evaluation of a run's model to the run, whose tables are of l-infinity and of any wrong class. */
export function noteEvaluation(folder: string, record: EvaluationRecord): void {
  const { model, threat, attack, seed, outcomes, cleanAccuracy, robustAccuracy, confidence95, seconds } = record;
  const epsilon = epsilonOf(threat.epsilon);
  if (threat.norm !== "linf" || record.targets !== undefined || !model.checkpoint) return;
  const { which, iteration } = model.checkpoint;
  const n = outcomes.length;
  const same = (known: RobustnessRecord): boolean =>
    known.which === which && known.iteration === iteration && known.attack === attack && known.epsilon === epsilon && known.n === n && known.seed === seed;
  if (readRobustness(folder).some(same)) return;
  noteRobustness(folder, {
    ...{ which, iteration, attack, epsilon, n, seed, cleanAccuracy, robustAccuracy, confidence95 },
    meanLoss: outcomes.reduce((sum, { loss }) => sum + loss, 0) / n,
    nonFiniteShare: outcomes.filter(({ finite }) => !finite).length / n,
    seconds,
  });
}

/** The record of what was found. */
function recordOf(
  { version, ...identity }: EvaluationIdentity,
  { outcomes, cleanAccuracy, robustAccuracy, confidence95, stages, passes, seconds, warnings, checkPasses, curve }: AttackReport,
  { backend, threads }: Device,
): Omit<EvaluationRecord, "adversarials" | "digest"> {
  const { attacks: _, format, ...asked } = identity;
  const { commit, node, processor, date } = provenance();
  return {
    ...{ format, id: idOf({ version, ...identity }), written: date, code: { version, commit }, machine: { node, backend, threads, processor } },
    ...{ ...asked, cleanAccuracy, robustAccuracy },
    cleanConfidence95: wilsonInterval(outcomes.filter(({ clean }) => clean).length, outcomes.length),
    ...{ confidence95, stages, passes, seconds, warnings, checkPasses, curve, outcomes },
  };
}

function brokenImages({ adversarials, outcomes }: AttackReport, size: number): BrokenImage[] {
  const broken = (outcome: ImageOutcome): boolean => outcome.brokenBy !== null;
  return outcomes.flatMap((outcome, i) => (broken(outcome) ? [{ outcome, pixels: adversarials.subarray(i * size, (i + 1) * size) }] : []));
}

function planOf(name: string, norm: string) {
  return attackPlan(name, { name: norm }) ?? ({ name, attacks: [], selection: "success" } as const);
}
