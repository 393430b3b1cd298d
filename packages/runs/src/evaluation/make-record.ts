/** @file An evaluation's identity before anything is computed, and its record afterwards. The same in Node and in browsers. */
import {
  type Arithmetic,
  type AttackReport,
  attackPlan,
  checkAims,
  type ImageDataset,
  type Selection,
  type TargetRule,
  wilsonInterval,
} from "@gradalign/robustness";
import type { Fraction } from "./fraction.ts";
import { digestOf, idOf } from "./identity.ts";
import type { EvaluationIdentity, EvaluationRecord, JudgedModel } from "./record.ts";

/** What is to be evaluated, and how. */
export interface EvaluationSettings {
  readonly model: JudgedModel;
  readonly data: { readonly dataset: ImageDataset; readonly fingerprint: string };
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

/** A record whose files are not written yet. */
export type UnsealedRecord = Omit<EvaluationRecord, "adversarials" | "digest">;

/**
 * What the settings' evaluation is.
 *
 * @param version of the program that computes it.
 * @throws ConfigError for an unknown attack, or one that cannot aim at the targets.
 */
export function identityOfSettings(settings: EvaluationSettings, version: string): EvaluationIdentity {
  const { model, data, dataName, count, norm, epsilon, attack, selection: chosen, targets, seed, arithmetic } = settings;
  const plan = evaluationPlan(attack, norm);
  const selection = chosen ?? plan.selection;
  if (targets !== undefined) checkAims({ attacks: plan.attacks, selection });
  return {
    ...{ format: 1, version, arithmetic, model },
    data: { name: dataName, split: "test", fingerprint: data.fingerprint, classNames: data.dataset.classNames, first: 0, count },
    ...{ threat: { norm, epsilon }, attack },
    attacks: plan.attacks.map(({ attack: { id }, options }) => ({ attack: id, options })),
    selection,
    ...(targets === undefined ? {} : { targets }),
    seed,
  };
}

/** The attacks that a name stands for; of `none` none. */
export function evaluationPlan(name: string, norm: string) {
  return attackPlan(name, { name: norm }) ?? ({ name, attacks: [], selection: "success" } as const);
}

/** The record of what was found. */
export function recordOf(
  { version, ...identity }: EvaluationIdentity,
  { outcomes, cleanAccuracy, robustAccuracy, confidence95, stages, passes, seconds, warnings, checkPasses, curve }: AttackReport,
  { commit, machine, written }: Pick<EvaluationRecord, "machine" | "written"> & { readonly commit: string | null },
): UnsealedRecord {
  const { attacks: _, format, ...asked } = identity;
  return {
    ...{ format, id: idOf({ version, ...identity }), written, code: { version, commit }, machine },
    ...{ ...asked, cleanAccuracy, robustAccuracy },
    cleanConfidence95: wilsonInterval(outcomes.filter(({ clean }) => clean).length, outcomes.length),
    ...{ confidence95, stages, passes, seconds, warnings, checkPasses, curve, outcomes },
  };
}

/** The record with the checksum of the images that were broken, and its own. */
export function sealed(record: UnsealedRecord, adversarials: string): EvaluationRecord {
  const found = { ...record, adversarials };
  return { ...found, digest: digestOf(found) };
}
