/** @file An evaluation from its settings to its record, in a folder that it can be gone on with from. */
import { type AttackProgress, attack, readImages, type Victim } from "@gradalign/robustness";
import type { Device } from "@gradalign/tensor";
import { brokenImages } from "../evaluation/adversarials.ts";
import { epsilonOf } from "../evaluation/fraction.ts";
import { type EvaluationSettings, evaluationPlan, identityOfSettings, recordOf } from "../evaluation/make-record.ts";
import { type EvaluationFolderOptions, withEvaluation } from "../evaluation/node-folder.ts";
import type { EvaluationIdentity, EvaluationRecord } from "../evaluation/record.ts";
import { noteRobustness, readRobustness } from "../folder/node-notes.ts";
import type { RobustnessRecord } from "../run/run-data.ts";
import { provenance } from "./node-provenance.ts";
import { VERSION } from "./node-version.ts";

/**
 * What the settings' evaluation by this program is, before anything is computed.
 *
 * @throws ConfigError for an unknown attack, or one that cannot aim at the targets.
 */
export function evaluationIdentity(settings: EvaluationSettings): EvaluationIdentity {
  return identityOfSettings(settings, VERSION);
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
      attack: evaluationPlan(settings.attack, settings.norm),
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
    const { commit, node, processor, date } = provenance();
    const { backend, threads } = device;
    return log.finish(recordOf(identity, report, { commit, machine: { node, backend, threads, processor }, written: date }), brokenImages(report, size));
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
