/** @file An attack on images of one's own: what breaks which, with norms, passes and the perturbed images. */
import { ConfigError, DataError, type Device, keyOfSeed, Tensor } from "@gradalign/tensor";
import type { AttackOptions, Selection } from "../attacks/attack.ts";
import { type AskedAttacks, type AttackPlan, attackPlan, type NamedAttack } from "../attacks/plan.ts";
import type { Victim } from "../attacks/victim.ts";
import { threats } from "../threat/index.ts";
import type { Threat } from "../threat/threat.ts";
import { type Answer, attackRounds, type Judged, predictedClass, type Rounds, type Subject, type Tried } from "./attack-rounds.ts";
import type { BlindGradients, BlindStage, Warning } from "./checks/check.ts";
import { inOrder, type RadiusAccuracy, warningsAfter, warningsBefore } from "./checks/index.ts";
import { probeOf } from "./checks/probe.ts";
import { checkRadius } from "./examples.ts";
import { highestLossRounds } from "./highest-loss.ts";
import type { Passes } from "./oracle.ts";
import { pauser } from "./pause.ts";
import { runCost } from "./step-cost.ts";
import { checkAims, type Targets, targetsOf } from "./targets.ts";
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
  /** Images in the largest batch; 64 unless set, or 128 where the highest loss counts. It changes no outcome. */
  readonly batchSize?: number;
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

/** How far an attack has come. */
export interface AttackProgress {
  /** The attack at work. */
  readonly attack: string;
  /** Rounds done, the one at work as a fraction: a round for every restart and target of every attack. */
  readonly done: number;
  readonly total: number;
  /** Share of the work that is done, if no further image is broken: rounds differ in length. */
  readonly fraction: number;
  readonly cleanAccuracy: number;
  /** Share of the images that nothing has broken so far. */
  readonly robustAccuracy: number;
}

/** What became of one image. */
export interface ImageOutcome {
  readonly index: number;
  readonly label: number;
  /** The class it had to be taken for; absent where any wrong one would do. */
  readonly target?: number;
  /** Whether the victim's answer to the image as it is is right. Images of wrong answers are not attacked. */
  readonly clean: boolean;
  /** Whether it still is after all attacks; where there is a target, whether none of them has reached that. */
  readonly robust: boolean;
  /** The attack that broke it, and in which of its runs; the run is null where the highest loss counts. */
  readonly brokenBy: string | null;
  readonly run: number | null;
  /** Norm of the perturbation that counts; 0 where there is none. */
  readonly norm: number;
  /** Cross-entropy and the predicted class on the perturbed image, or on the clean one where no perturbation counts. */
  readonly loss: number;
  readonly predicted: number;
  /** Whether all logits were finite, clean and attacked. */
  readonly finite: boolean;
}

/** An image on its way through the rounds. */
export interface ImageRecord extends ImageOutcome {
  /** Rounds it has been through, or was broken in. */
  readonly rounds: number;
  /** The perturbed image [C, H, W]; without it a resumed attack reports the clean one. */
  readonly adversarial?: Float32Array;
}

/** What a batch has brought: where its images are now, and what it took. */
export interface AttackRecord {
  /** The attack's place in the list; null of the images as they are. */
  readonly stage: number | null;
  readonly images: readonly ImageRecord[];
  /** Images with gradients that said nothing; absent where there were none. */
  readonly blind?: readonly BlindGradients[];
  readonly passes: Passes;
  readonly seconds: number;
}

/** An attack of the list, and what it did. */
export interface AttackStage {
  readonly attack: string;
  readonly paper: string;
  readonly options: AttackOptions;
  /** Images it was run on, and how many of them it broke. */
  readonly attacked: number;
  readonly broken: number;
  readonly passes: Passes;
  readonly seconds: number;
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
  const batchSize = options.batchSize ?? (selection === "success" ? 64 : 128);
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new ConfigError(`attack: batchSize (=${batchSize}) must be a positive integer`);
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

interface RunOptions {
  readonly targets: Targets | undefined;
  readonly record: readonly AttackRecord[];
  readonly batchSize: number;
  /** What a run of each attack costs over an image. */
  readonly runCosts: readonly number[];
  readonly onProgress: AttackImagesOptions["onProgress"];
  readonly onRecord: AttackImagesOptions["onRecord"];
}

/** Where the images are in the end, and all parts that led there. */
interface Course {
  readonly images: readonly ImageRecord[];
  readonly parts: readonly AttackRecord[];
}

async function runRounds(
  rounds: Rounds,
  plan: AttackPlan,
  given: readonly Subject[],
  { targets: asked, record, batchSize, runCosts, onProgress, onRecord }: RunOptions,
): Promise<Course> {
  const known = new Map(record.flatMap((part) => part.images.map((image) => [image.index, image])));
  const parts = [...record];
  let [counted, since] = [rounds.passes, performance.now()];
  const note = (stage: number | null, images: readonly ImageRecord[], blind: readonly BlindGradients[] = []): void => {
    const now = performance.now();
    const part = { stage, images, ...(blind.length > 0 ? { blind } : {}), passes: sum(rounds.passes, counted, -1), seconds: (now - since) / 1000 };
    [counted, since] = [rounds.passes, now];
    parts.push(part);
    onRecord?.(part);
  };
  const answers = await rounds.answers(given);
  const labels = given.map(({ label }) => label);
  const targets = asked === undefined ? undefined : targetsOf(asked, labels, answers, (answers[0] as Answer).logits.length);
  const subjects = given.map((subject, i): Subject => (targets ? { ...subject, target: targets[i] as number } : subject));
  const images = subjects.map((subject, i): ImageRecord => {
    const before = known.get(subject.index);
    if (before && before.target !== subject.target) {
      const [was, is] = [before.target, subject.target].map((target) => (target === undefined ? "any class" : `class ${target}`));
      throw new DataError(`attack: record is of image ${subject.index} on its way to ${was}, not to ${is}; go on with the targets it was begun with`);
    }
    return before ?? asItIs(subject, answers[i] as Answer);
  });
  // The clean passes are the first part's.
  if (record.length === 0) note(null, [...images]);
  else [counted, since] = [rounds.passes, performance.now()];

  const share = (of: (outcome: ImageOutcome) => boolean): number => images.filter(of).length / images.length;
  const costs = rounds.rounds.map(({ attack }) => runCosts[attack] as number);
  let spentCost = 0;
  for (const [done, round] of rounds.rounds.entries()) {
    const { id } = (plan.attacks[round.attack] as NamedAttack).attack;
    const left = [...images.keys()].filter((i) => {
      const { robust, rounds: been } = images[i] as ImageRecord;
      return been <= done && (robust || rounds.everyImage);
    });
    const after = costs.slice(done + 1).reduce((sum, cost) => sum + cost, 0);
    const tell = (through: number): void => {
      const cost = spentCost + (costs[done] as number) * through;
      const ahead = (costs[done] as number) * (left.length - through) + after * images.filter(({ robust }) => robust).length;
      onProgress?.({
        attack: id,
        done: done + (left.length > 0 ? through / left.length : 0),
        total: rounds.rounds.length,
        fraction: cost + ahead > 0 ? cost / (cost + ahead) : 0,
        cleanAccuracy: share(({ clean }) => clean),
        robustAccuracy: share(({ robust }) => robust),
      });
    };
    tell(0);
    for (let first = 0; first < left.length; first += batchSize) {
      const batch = left.slice(first, first + batchSize);
      const found = await rounds.attack(
        round,
        batch.map((i) => subjects[i] as Subject),
        batch.map((i) => answers[i] as Answer),
      );
      batch.forEach((i, k) => {
        const through = { ...(images[i] as ImageRecord), rounds: done + 1 };
        const judged = found[k]?.judged;
        images[i] = judged ? attacked(through, judged, id, rounds.everyImage ? null : round.run, (subjects[i] as Subject).image) : through;
      });
      note(
        round.attack,
        batch.map((i) => images[i] as ImageRecord),
        batch.flatMap((i, k) => {
          const { zero, notFinite } = found[k] as Tried;
          return zero + notFinite > 0 ? [{ index: (subjects[i] as Subject).index, zero, notFinite }] : [];
        }),
      );
      tell(first + batch.length);
    }
    spentCost += (costs[done] as number) * left.length;
  }
  return { images, parts };
}

function asItIs({ index, label, target }: Subject, answer: Answer): ImageRecord {
  const { correct, finite, loss } = answer;
  const aim = target === undefined ? {} : { target };
  const before = { brokenBy: null, run: null, norm: 0, loss, predicted: predictedClass(answer), finite, rounds: 0 };
  return { index, label, ...aim, clean: correct, robust: correct, ...before };
}

function attacked(image: ImageRecord, { answer, norm, delta }: Judged, id: string, run: number | null, pixels: Float32Array): ImageRecord {
  const broken = image.clean && !answer.correct;
  return {
    ...image,
    robust: answer.correct,
    ...(broken ? { brokenBy: id, run, adversarial: pixels.map((value, i) => value + (delta[i] as number)) } : {}),
    norm,
    loss: answer.loss,
    predicted: predictedClass(answer),
    finite: image.finite && answer.finite,
  };
}

/** What each attack of the list did. */
function stagesOf(plan: AttackPlan, rounds: Rounds, { images, parts }: Course): AttackStage[] {
  return plan.attacks.map(({ attack: { id, paper }, options }, stage) => {
    const first = rounds.rounds.findIndex((round) => round.attack === stage);
    const own = parts.filter((part) => part.stage === stage);
    return {
      attack: id,
      paper,
      options,
      attacked: images.filter((image) => image.rounds > first).length,
      broken: images.filter((image) => image.brokenBy !== null && rounds.rounds[image.rounds - 1]?.attack === stage).length,
      ...spent(own),
    };
  });
}

/** What each attack of the list could not see. */
function blindOf(plan: AttackPlan, { parts }: Course): BlindStage[] {
  return plan.attacks.map(({ attack }, stage) => ({ attack: attack.id, images: parts.flatMap((part) => (part.stage === stage ? (part.blind ?? []) : [])) }));
}

/** What parts took together. */
function spent(parts: readonly AttackRecord[]): { readonly passes: Passes; readonly seconds: number } {
  return {
    passes: parts.reduce((total, { passes }) => sum(total, passes), { forward: 0, backward: 0 }),
    seconds: parts.reduce((total, { seconds }) => total + seconds, 0),
  };
}

/** a + sign · b. */
function sum(a: Passes, b: Passes, sign = 1): Passes {
  return { forward: a.forward + sign * b.forward, backward: a.backward + sign * b.backward };
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
