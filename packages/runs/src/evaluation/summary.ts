/** @file What a reader wants to know of an evaluation's record: what each attack left, what smaller radii leave, how classes fare, what to look at. */
import { type AttackStage, accuracyCurve, type ImageOutcome, type RadiusBound, wilsonInterval } from "@gradalign/robustness";
import { epsilonOf } from "./fraction.ts";
import type { EvaluationRecord } from "./record.ts";

/** A share of images, with Wilson's 95 % interval. */
export interface Share {
  readonly count: number;
  readonly of: number;
  readonly share: number;
  readonly interval: readonly [low: number, high: number];
}

/** So many of so many images; of none, a share of zero that may be anything. */
export function shareOf(count: number, of: number): Share {
  return of > 0 ? { count, of, share: count / of, interval: wilsonInterval(count, of) } : { count, of, share: 0, interval: [0, 1] };
}

/** What is left after an attack of the list. */
export interface WaterfallStep {
  /** The attack and what it broke; null for the images as they are. */
  readonly stage: AttackStage | null;
  /** Images that are still answered rightly. */
  readonly left: Share;
}

/** What is answered rightly as it is, then after each attack. */
export function waterfall({ outcomes, stages }: EvaluationRecord): WaterfallStep[] {
  let left = outcomes.filter(({ clean }) => clean).length;
  return [null, ...stages].map((stage) => {
    left -= stage?.broken ?? 0;
    return { stage, left: shareOf(left, outcomes.length) };
  });
}

/**
 * Upper bounds of the accuracy at radii from 0 to ε.
 *
 * @param steps radii between 0 and ε, evenly spaced.
 */
export function boundsBelow({ outcomes, threat }: EvaluationRecord, steps: number): RadiusBound[] {
  const epsilon = epsilonOf(threat.epsilon);
  const radii = Array.from({ length: steps + 1 }, (_, i) => (i === steps ? epsilon : (i * epsilon) / steps));
  return accuracyCurve(outcomes, epsilon, radii);
}

/** How the images of a class fare. */
export interface ClassOutcome {
  readonly label: number;
  readonly clean: Share;
  readonly robust: Share;
  /** Images by the class that is answered in the end, most first: under attack, or where the answer is wrong already, as they are. */
  readonly answers: readonly { readonly predicted: number; readonly count: number }[];
}

/** Every class that has images, in order. */
export function classOutcomes({ outcomes }: EvaluationRecord): ClassOutcome[] {
  const labels = [...new Set(outcomes.map(({ label }) => label))].sort((a, b) => a - b);
  return labels.map((label) => {
    const own = outcomes.filter((outcome) => outcome.label === label);
    const counts = new Map<number, number>();
    for (const { predicted } of own) counts.set(predicted, (counts.get(predicted) ?? 0) + 1);
    return {
      label,
      clean: shareOf(own.filter(({ clean }) => clean).length, own.length),
      robust: shareOf(own.filter(({ robust }) => robust).length, own.length),
      answers: [...counts].map(([predicted, count]) => ({ predicted, count })).sort((a, b) => b.count - a.count || a.predicted - b.predicted),
    };
  });
}

/** Images to look at, and what they have in common. */
export interface ChosenImages {
  /** The attack that broke them; null for those that stand. */
  readonly attack: string | null;
  /** How many there are, and the first few. */
  readonly total: number;
  readonly outcomes: readonly ImageOutcome[];
}

/** Of each kind at most so many, and so many in all. */
const [MOST_OF_A_KIND, MOST_IMAGES] = [4, 24];

/** The first few images that each attack broke, and the first few that stand. */
export function chosenImages({ outcomes, stages }: EvaluationRecord): ChosenImages[] {
  const attacks = [...new Set(stages.map(({ attack }) => attack))];
  const kinds = [
    ...attacks.map((attack) => ({ attack, of: outcomes.filter(({ brokenBy }) => brokenBy === attack) })),
    { attack: null, of: outcomes.filter(({ robust }) => robust) },
  ].filter(({ of }) => of.length > 0);
  const each = Math.max(1, Math.min(MOST_OF_A_KIND, Math.floor(MOST_IMAGES / kinds.length)));
  return kinds.slice(0, MOST_IMAGES).map(({ attack, of }) => ({ attack, total: of.length, outcomes: of.slice(0, each) }));
}

/** The class in words. */
export function className({ data }: EvaluationRecord, label: number): string {
  return data.classNames[label] ?? `class ${label}`;
}

/** What images had to be taken for, in words. */
export function targetsText(record: EvaluationRecord): string {
  const { targets } = record;
  if (targets === undefined) return "any wrong class";
  return targets === "next"
    ? "the class after its own"
    : targets === "least-likely"
      ? "the least likely class"
      : `class ${targets}, ${className(record, targets)}`;
}

/** The same behind an attack's name; nothing where any wrong class will do. */
export function aimText(record: EvaluationRecord): string {
  return record.targets === undefined ? "" : ` towards ${targetsText(record)}`;
}

/** The norm as papers write it: `l∞`, `l2`. */
export function normName(norm: string): string {
  return norm === "linf" ? "l∞" : norm;
}

/** A perturbation's norm or a radius in the unit that papers use: in steps of 1/255 for l-infinity. */
export function distanceText(norm: string, value: number): string {
  return norm === "linf" ? `${Number((255 * value).toFixed(2))}/255` : value.toPrecision(3);
}

/** The images in words: `first 1,000 test images of cifar10`. */
export function imagesText({ first, count, split, name }: EvaluationRecord["data"]): string {
  const number = count.toLocaleString("en-US");
  if (count === 1) return `${split} image ${first} of ${name}`;
  return first === 0 ? `first ${number} ${split} images of ${name}` : `${split} images ${first} to ${first + count - 1} of ${name}`;
}
