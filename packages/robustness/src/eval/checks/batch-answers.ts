/** @file What a batch's other images do to an answer: the measurement behind `batch-statistics` and `batch-dependence`. */
import type { Answer, Subject } from "../attack-rounds.ts";
import { logitDistance, type Probe, ROWS, SAME } from "./probe.ts";

/** Images that are asked for alone. */
const ALONE = 4;

/** Answers that changed. */
export interface BatchAnswers {
  /** How many did for an image alone, that is among copies of itself, of how many, by how much of the logits' length at most, and how many became wrong or right. */
  readonly alone: number;
  readonly of: number;
  readonly farthest: number;
  readonly judged: number;
  /** Whether one did for the same images in the reverse order. */
  readonly byOrder: boolean;
}

const measured = new WeakMap<Probe, Promise<BatchAnswers>>();

/** Measures once for both checks. */
export function batchAnswers(probe: Probe): Promise<BatchAnswers> {
  const known = measured.get(probe) ?? measure(probe);
  measured.set(probe, known);
  return known;
}

async function measure(probe: Probe): Promise<BatchAnswers> {
  const { subjects } = probe;
  // Full, so that the reverse order has the same images and no others.
  const batch = Array.from({ length: ROWS }, (_, row) => subjects[row % subjects.length] as Subject);
  const together = await probe.answers(batch);
  const reversed = await probe.answers(batch.toReversed());
  const alone: Answer[] = [];
  for (const subject of subjects.slice(0, ALONE)) alone.push((await probe.answers(Array<Subject>(ROWS).fill(subject)))[0] as Answer);
  const distances = (answers: readonly Answer[]): number[] => answers.map((answer, i) => logitDistance(answer, together[i] as Answer));
  const apart = distances(alone);
  return {
    alone: apart.filter((distance) => distance > SAME).length,
    of: alone.length,
    farthest: Math.max(...apart),
    judged: alone.filter(({ correct }, i) => correct !== together[i]?.correct).length,
    byOrder: distances(reversed.toReversed()).some((distance) => distance > SAME),
  };
}

/** The part of a warning that both checks share. */
export function seenAlone({ alone, of, farthest, judged }: BatchAnswers): string {
  return `${alone} of ${of} images get other logits alone than in a batch of ${ROWS}, by up to ${farthest.toPrecision(2)} of their length; ${judged} of the answers become wrong or right`;
}
