/** @file The course of an attack: its images through the rounds of its list, in parts that can be kept and gone on from. */
import { DataError } from "@gradalign/tensor";
import type { AttackOptions } from "../attacks/attack.ts";
import type { AttackPlan, NamedAttack } from "../attacks/plan.ts";
import { type Answer, type Judged, predictedClass, type Rounds, type Subject, type Tried } from "./attack-rounds.ts";
import type { BlindGradients, BlindStage } from "./checks/check.ts";
import type { Passes } from "./oracle.ts";
import { type Targets, targetsOf } from "./targets.ts";

/** How far an attack has come. */
export interface AttackProgress {
  /** The attack at work. */
  readonly attack: string;
  /** Rounds done, the one at work as a fraction: a round for every restart and target of every attack, of every block of images. */
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

/** How {@link runRounds} goes on. */
export interface CourseOptions {
  readonly targets: Targets | undefined;
  readonly record: readonly AttackRecord[];
  readonly batchSize: number;
  /** Images that go through all rounds before the next ones begin. */
  readonly together: number;
  /** What a run of each attack costs over an image. */
  readonly runCosts: readonly number[];
  readonly onProgress: ((progress: AttackProgress) => void) | undefined;
  readonly onRecord: ((part: AttackRecord) => void) | undefined;
}

/** Where the images are in the end, and all parts that led there. */
export interface Course {
  readonly images: readonly ImageRecord[];
  readonly parts: readonly AttackRecord[];
}

/** All rounds, on the images that each is about, block after block of them, from where the parts of a stopped attack ended. */
export async function runRounds(
  rounds: Rounds,
  plan: AttackPlan,
  given: readonly Subject[],
  { targets: asked, record, batchSize, together, runCosts, onProgress, onRecord }: CourseOptions,
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
  const sumOf = (list: readonly number[]): number => list.reduce((sum, cost) => sum + cost, 0);
  const robustOf = (places: readonly number[]): number => places.filter((i) => images[i]?.robust).length;
  const places = [...images.keys()];
  const blocks = Array.from({ length: Math.ceil(places.length / together) }, (_, k) => places.slice(k * together, (k + 1) * together));
  const total = blocks.length * rounds.rounds.length;
  let spentCost = 0;
  for (const [k, block] of blocks.entries()) {
    for (const [done, round] of rounds.rounds.entries()) {
      const { id } = (plan.attacks[round.attack] as NamedAttack).attack;
      const left = block.filter((i) => {
        const { robust, rounds: been } = images[i] as ImageRecord;
        return been <= done && (robust || rounds.everyImage);
      });
      const tell = (through: number): void => {
        const cost = spentCost + (costs[done] as number) * through;
        const later = sumOf(costs.slice(done + 1)) * robustOf(block) + sumOf(costs) * robustOf(places.slice((k + 1) * together));
        const ahead = (costs[done] as number) * (left.length - through) + later;
        onProgress?.({
          attack: id,
          done: k * rounds.rounds.length + done + (left.length > 0 ? through / left.length : 0),
          total,
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
        batch.forEach((i, n) => {
          const through = { ...(images[i] as ImageRecord), rounds: done + 1 };
          const judged = found[n]?.judged;
          images[i] = judged ? attacked(through, judged, id, rounds.everyImage ? null : round.run, (subjects[i] as Subject).image) : through;
        });
        note(
          round.attack,
          batch.map((i) => images[i] as ImageRecord),
          batch.flatMap((i, n) => {
            const { zero, notFinite } = found[n] as Tried;
            return zero + notFinite > 0 ? [{ index: (subjects[i] as Subject).index, zero, notFinite }] : [];
          }),
        );
        tell(first + batch.length);
      }
      spentCost += (costs[done] as number) * left.length;
    }
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
export function stagesOf(plan: AttackPlan, rounds: Rounds, { images, parts }: Course): AttackStage[] {
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
export function blindOf(plan: AttackPlan, { parts }: Course): BlindStage[] {
  return plan.attacks.map(({ attack }, stage) => ({ attack: attack.id, images: parts.flatMap((part) => (part.stage === stage ? (part.blind ?? []) : [])) }));
}

/** What parts took together. */
export function spent(parts: readonly AttackRecord[]): { readonly passes: Passes; readonly seconds: number } {
  return {
    passes: parts.reduce((total, { passes }) => sum(total, passes), { forward: 0, backward: 0 }),
    seconds: parts.reduce((total, { seconds }) => total + seconds, 0),
  };
}

/** a + sign · b. */
function sum(a: Passes, b: Passes, sign = 1): Passes {
  return { forward: a.forward + sign * b.forward, backward: a.backward + sign * b.backward };
}
