/** @file An attack on images of one's own: what breaks which, with norms, passes and the perturbed images. */
import { ConfigError, DataError, type Device, keyOfSeed, Tensor } from "@gradalign/tensor";
import type { Selection } from "../attacks/attack.ts";
import { type AskedAttacks, type AttackPlan, attackPlan } from "../attacks/plan.ts";
import type { Victim } from "../attacks/victim.ts";
import { threats } from "../threat/index.ts";
import type { Threat } from "../threat/threat.ts";
import { type AttackProgress, type AttackRecord, type AttackStage, blindOf, type ImageOutcome, runRounds, spent, stagesOf } from "./attack-course.ts";
import { attackRounds, type Subject } from "./attack-rounds.ts";
import type { Warning } from "./checks/check.ts";
import { inOrder, type RadiusAccuracy, warningsAfter, warningsBefore } from "./checks/index.ts";
import { probeOf } from "./checks/probe.ts";
import { checkRadius, evaluationBatch } from "./examples.ts";
import { highestLossRounds } from "./highest-loss.ts";
import type { Passes } from "./oracle.ts";
import { pauser } from "./pause.ts";
import { runCost } from "./step-cost.ts";
import { checkAims, type Targets } from "./targets.ts";
import { wilsonInterval } from "./wilson.ts";

/** How {@link attack} attacks. */
export interface AttackImagesOptions {
  readonly device: Device;
  /** As `attackPlan` reads it, e.g. `autoattack`, `apgd-ce+square` or a list of names and attacks of one's own; or its result. */
  readonly attack: AskedAttacks | AttackPlan;
  /** Classes that images are to be taken for, by attacks that aim at one; any wrong one will do unless set. */
  readonly targets?: Targets;
  /** Which of several restarts counts: any that fools (`success`, unless set), or, of a single attack, the one with the highest loss. */
  readonly selection?: Selection;
  /** l-infinity unless set. */
  readonly threat?: Threat | keyof typeof threats;
  /** Radius in the threat's units; pixel units [0, 1] for l-infinity. */
  readonly epsilon: number;
  /** Seed of all randomness; 0 unless set. */
  readonly key?: number;
  /** Numbers of the images, which their random numbers depend on; 0, 1, 2 … unless set. */
  readonly indices?: readonly number[];
  /** Images in the largest batch; 64 unless set, or 128 where the highest loss counts, or less of images of more than 64 x 64 pixels. It changes no outcome. */
  readonly batchSize?: number;
  /** Images that go through all attacks before the next ones begin, so that what is known of those so far can be told; all unless set. It changes no outcome, only how many passes are made. */
  readonly together?: number;
  /** Whether to look for what would make the number doubtful, see docs/evaluation-checks.md; unless it is false. */
  readonly checks?: boolean;
  /** Called with each warning when it is found: some are before the attacks begin. */
  readonly onWarning?: (warning: Warning) => void;
  readonly onProgress?: (progress: AttackProgress) => void;
  /** Called after every batch with what is new; plain JSON but for the perturbed images. */
  readonly onRecord?: (part: AttackRecord) => void;
  /** Parts of a stopped attack, in order, of the same victim, images and options, to go on from: the report is the one it would have had. */
  readonly record?: readonly AttackRecord[];
  /** Stops between steps by rejecting with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What {@link attack} found. */
export interface AttackReport {
  readonly attack: string;
  /** Whether any run that fools the victim counts, or the one with the highest loss. */
  readonly selection: Selection;
  readonly threat: string;
  readonly epsilon: number;
  readonly n: number;
  /** The images [N, C, H, W], perturbed where an attack broke them. */
  readonly adversarials: Float32Array;
  /** Whether the victim's answer to the adversarial is wrong, or, where there are targets, the target. */
  readonly success: readonly boolean[];
  readonly norms: Float32Array;
  readonly outcomes: readonly ImageOutcome[];
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  /** Wilson's 95 % interval of the robust accuracy. */
  readonly confidence95: readonly [low: number, high: number];
  /** In order. */
  readonly stages: readonly AttackStage[];
  readonly passes: Passes;
  /** Of all parts, those of a stopped attack too. */
  readonly seconds: number;
  /** What makes the number doubtful. */
  readonly warnings: readonly Warning[];
  /** Accuracies at growing radii, roughly: from a cheap attack on a few images; see docs/evaluation-checks.md. */
  readonly curve: readonly RadiusAccuracy[];
  /** Passes of the checks; not among `passes`. */
  readonly checkPasses: Passes;
}

/**
 * Attacks images in [0, 1], float32 [N, C, H, W], one attack after another on those that are still answered rightly.
 *
 * @throws ConfigError for an unknown attack, one that the threat model does not have, or an impossible number; DataError where images and
 * labels do not fit the victim.
 */
export async function attack(
  victim: Victim,
  images: Float32Array | Tensor,
  labels: ArrayLike<number>,
  {
    device,
    attack: asked,
    selection = "success",
    targets,
    epsilon,
    key = 0,
    indices,
    signal,
    record = [],
    checks = true,
    onWarning,
    ...options
  }: AttackImagesOptions,
): Promise<AttackReport> {
  const threat = typeof options.threat === "string" ? threats[options.threat] : (options.threat ?? threats.linf);
  const plan = typeof asked === "object" && "attacks" in asked ? asked : attackPlan(asked, threat);
  if (!plan) throw new ConfigError('attack: name (="none") must be an attack\'s; count correct answers with evaluateRobustness');
  checkRadius("attack", epsilon, threat);
  const batchSize = options.batchSize ?? evaluationBatch(victim.shape, selection === "success" ? 64 : 128);
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new ConfigError(`attack: batchSize (=${batchSize}) must be a positive integer`);
  const { together = Math.max(1, labels.length) } = options;
  if (!Number.isInteger(together) || together < 1) throw new ConfigError(`attack: together (=${together}) must be a positive integer`);
  const subjects = subjectsOf(victim, images instanceof Tensor ? ((await images.read()) as Float32Array) : images, labels, indices);
  const turn = pauser();
  const pause = async (): Promise<void> => {
    signal?.throwIfAborted();
    await turn();
  };
  const [only, another] = plan.attacks;
  if (selection === "highest-loss" && another) {
    throw new ConfigError(`attack: selection (="highest-loss") compares the restarts of one attack, got ${plan.name}; leave it out, or name one attack`);
  }
  const aimed = targets !== undefined;
  if (aimed) checkAims({ attacks: plan.attacks, selection });
  const how = { device, threat, epsilon, batchSize, pause, aimed };
  const rounds =
    selection === "highest-loss" && only
      ? highestLossRounds(victim, { ...how, attack: only, key })
      : attackRounds(victim, { ...how, attacks: plan.attacks, seed: keyOfSeed(key) });
  const probe = probeOf(victim, subjects, { device, threat, seed: keyOfSeed(key), pause });
  const evaluated = { victim, attacks: plan.attacks, threat, epsilon, n: subjects.length, probe };
  const told = (found: readonly Warning[]): void => {
    for (const warning of found) onWarning?.(warning);
  };
  try {
    const before = checks ? await warningsBefore(evaluated) : [];
    told(before);
    const runCosts = plan.attacks.map((named) => runCost(victim, device, named, threat));
    const course = await runRounds(rounds, plan, subjects, {
      targets,
      record,
      onProgress: options.onProgress,
      onRecord: options.onRecord,
      batchSize,
      together,
      runCosts,
    });
    const { images: outcomes } = course;
    const adversarials = new Float32Array(subjects.length * (subjects[0] as Subject).image.length);
    subjects.forEach(({ image }, i) => {
      adversarials.set(outcomes[i]?.adversarial ?? image, i * image.length);
    });
    const robust = outcomes.filter((outcome) => outcome.robust).length;
    const stages = stagesOf(plan, rounds, course);
    const { warnings: after, curve } = checks
      ? // How far steps to any wrong class lead says nothing about a target.
        await warningsAfter(evaluated, aimed ? [] : subjects, { images: outcomes, stages, blind: blindOf(plan, course) })
      : { warnings: [], curve: [] };
    told(after);
    return {
      attack: plan.name,
      selection,
      threat: threat.name,
      epsilon,
      n: subjects.length,
      adversarials,
      success: outcomes.map(({ robust, finite, predicted, target }) => (target === undefined ? !robust : finite && predicted === target)),
      norms: Float32Array.from(outcomes, ({ norm }) => norm),
      outcomes: outcomes.map(({ adversarial: _, rounds: __, ...outcome }) => outcome),
      cleanAccuracy: outcomes.filter(({ clean }) => clean).length / subjects.length,
      robustAccuracy: robust / subjects.length,
      confidence95: wilsonInterval(robust, subjects.length),
      stages,
      ...spent(course.parts),
      warnings: inOrder([...before, ...after]),
      curve,
      checkPasses: probe.passes,
    };
  } finally {
    probe.dispose();
    rounds.dispose();
  }
}

function subjectsOf(victim: Victim, images: Float32Array, labels: ArrayLike<number>, indices: readonly number[] | undefined): Subject[] {
  const size = victim.shape.reduce((product, extent) => product * extent, 1);
  const n = labels.length;
  if (n < 1 || images.length !== n * size) {
    throw new DataError(`attack: ${n} labels need images of ${n * size} values, [${[n, ...victim.shape].join(", ")}], got ${images.length}`);
  }
  const outside = images.findIndex((value) => !(value >= 0 && value <= 1));
  if (outside >= 0)
    throw new DataError(`attack: images[${outside}] (=${images[outside]}) must be from 0 to 1; divide bytes by 255, and leave normalising to the victim`);
  if (indices && indices.length !== n) throw new DataError(`attack: indices must be ${n} numbers, one per image, got ${indices.length}`);
  return Array.from({ length: n }, (_, i) => {
    const label = labels[i] as number;
    if (!Number.isInteger(label) || label < 0 || label >= victim.classes) {
      throw new DataError(`attack: labels[${i}] (=${label}) must be an integer from 0 to ${victim.classes - 1}, a class of the victim ${victim.name}`);
    }
    return { index: indices?.[i] ?? i, image: images.slice(i * size, (i + 1) * size), label };
  });
}
