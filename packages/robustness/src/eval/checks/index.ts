/** @file The registry of checks, one line each, and the two moments at which they look. */
import type { Subject } from "../attack-rounds.ts";
import { attackTooWeak } from "./attack-too-weak.ts";
import { batchDependence } from "./batch-dependence.ts";
import { batchStatistics } from "./batch-statistics.ts";
import { blackBoxStronger } from "./black-box-stronger.ts";
import { chanceAccuracy } from "./chance-accuracy.ts";
import type { Aftermath, Check, Evaluated, Finding, Warning } from "./check.ts";
import { extremeRadius } from "./extreme-radius.ts";
import { fewClasses } from "./few-classes.ts";
import { fgsmAbovePgd } from "./fgsm-above-pgd.ts";
import { climb, LADDER_ATTACK } from "./ladder.ts";
import { nonFiniteGradients } from "./non-finite-gradients.ts";
import { nonFiniteLogits } from "./non-finite-logits.ts";
import { probabilities } from "./probabilities.ts";
import { quantizedGradients } from "./quantized-gradients.ts";
import { randomOutput } from "./random-output.ts";
import { robustAtAnyRadius } from "./robust-at-any-radius.ts";
import { roundedRadius } from "./rounded-radius.ts";
import { wideInterval } from "./wide-interval.ts";
import { zeroGradients } from "./zero-gradients.ts";

/** Every check, in the order of their warnings. */
export const checks: readonly Check[] = [
  randomOutput,
  probabilities,
  batchStatistics,
  batchDependence,
  quantizedGradients,
  fewClasses,
  roundedRadius,
  extremeRadius,
  fgsmAbovePgd,
  zeroGradients,
  nonFiniteGradients,
  nonFiniteLogits,
  blackBoxStronger,
  attackTooWeak,
  robustAtAnyRadius,
  chanceAccuracy,
  wideInterval,
];

/** Accuracy at a radius: at most this, as the attack found. */
export interface RadiusAccuracy {
  readonly epsilon: number;
  readonly accuracy: number;
  readonly attack: string;
}

/** What a few images show before the attacks. */
export async function warningsBefore(evaluated: Evaluated): Promise<Warning[]> {
  const found: Warning[] = [];
  for (const { id, before } of checksOf(evaluated)) note(found, id, await before?.(evaluated));
  return found;
}

/** What the attacks showed, and the accuracy at growing radii, on the images `subjects`. */
export async function warningsAfter(
  evaluated: Evaluated,
  subjects: readonly Subject[],
  done: Pick<Aftermath, "images" | "stages" | "blind">,
): Promise<{ readonly warnings: Warning[]; readonly curve: RadiusAccuracy[] }> {
  const { probe, epsilon, attacks } = evaluated;
  const { images } = done;
  const survivors = subjects.filter((_, i) => images[i]?.clean && images[i].robust);
  const ladder = attacks.length > 0 ? await climb(probe, survivors, epsilon, await probe.diameter()) : [];
  const warnings: Warning[] = [];
  for (const { id, after } of checksOf(evaluated)) note(warnings, id, after?.({ ...evaluated, ...done, ladder }));
  const share = survivors.length / images.length;
  return { warnings, curve: ladder.map(({ epsilon: at, of, left }) => ({ epsilon: at, accuracy: (share * left) / of, attack: LADDER_ATTACK })) };
}

/** Warnings in the registry's order. */
export function inOrder(warnings: readonly Warning[]): Warning[] {
  return checks.flatMap(({ id }) => warnings.filter((warning) => warning.id === id));
}

function checksOf({ attacks }: Evaluated): readonly Check[] {
  return attacks.length > 0 ? checks : checks.filter(({ ofAnswers }) => ofAnswers);
}

function note(warnings: Warning[], id: string, finding: Finding | null | undefined): void {
  if (finding) warnings.push({ id, ...finding });
}
