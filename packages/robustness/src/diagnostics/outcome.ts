/** @file How a run ended, in one word: what a verdict on it may say. */
import { detectOverfitting, type Overfitting, percent, type RobustnessPoint } from "./overfitting.ts";

/** The measurements an outcome is judged by; losses are mean cross-entropies. */
export interface OutcomePoint extends RobustnessPoint {
  readonly train_loss: number;
  readonly test_clean_acc: number;
  readonly test_pgd_loss: number;
}

/** How a run stands after its last evaluation. */
export interface Outcome {
  /**
   * `diverged`: numbers are not finite, or the training loss ended far above that of guessing. `overfitted`: catastrophic overfitting was found.
   * `learned nothing`: clean accuracy is no better than guessing. `not robust`: PGD accuracy is below guessing, though there was no collapse.
   */
  readonly kind: "healthy" | "overfitted" | "diverged" | "learned nothing" | "not robust";
  /** The numbers behind it, in words. */
  readonly evidence: string;
  /** The collapse, if there was one and the run did not diverge. */
  readonly overfitting: Overfitting | null;
}

/** Clean accuracy must be above chance by this much: some standard deviations of what a few hundred images show. */
const ABOVE_CHANCE = 0.05;
/** A training loss so many times that of guessing is one of confident wrong answers. */
const EXPLODED = 2;

/** The share of the commonest of some labels, [n]. */
export function majorityShare(labels: ArrayLike<number>): number {
  const images = new Map<number, number>();
  for (const label of Array.from(labels)) images.set(label, (images.get(label) ?? 0) + 1);
  return Math.max(...images.values()) / labels.length;
}

/**
 * Judges a run by its evaluations, which may be those of a run in progress; null without any.
 *
 * @param points Evaluations in order of iteration.
 * @param chance Accuracy of guessing, 1 / classes.
 * @param adversarial Whether training had an adversary: only then is robustness expected.
 * @param majority Accuracy of always answering the commonest class, {@link majorityShare} of the evaluated labels; `chance` where they are not known.
 */
export function runOutcome(points: readonly OutcomePoint[], chance: number, adversarial: boolean, majority: number = chance): Outcome | null {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return null;
  const outcome = (kind: Outcome["kind"], evidence: string, overfitting: Overfitting | null = null): Outcome => ({ kind, evidence, overfitting });
  const guessing = Math.log(1 / chance);
  // Losses that are not finite are null where they were read from JSON.
  if (![last.train_loss, last.test_pgd_loss].every(Number.isFinite)) return outcome("diverged", `the loss is not finite at iteration ${last.iteration}`);
  if (last.train_loss > Math.max(EXPLODED * guessing, first.train_loss)) {
    return outcome("diverged", `the training loss is ${last.train_loss.toPrecision(3)} at the end; guessing has ${guessing.toFixed(2)}`);
  }
  const overfitting = adversarial ? detectOverfitting(points, chance) : null;
  if (overfitting) return outcome("overfitted", overfitting.evidence, overfitting);
  const clean = `clean accuracy is ${percent(last.test_clean_acc)} at the end`;
  const least = Math.max(chance, majority);
  const without = majority > chance ? "the commonest class alone gives" : "guessing gives";
  if (last.test_clean_acc < least + ABOVE_CHANCE) return outcome("learned nothing", `${clean}; ${without} ${percent(least)}`);
  const robust = `PGD accuracy is ${percent(last.test_pgd_acc)} at the end`;
  if (adversarial && last.test_pgd_acc < least) return outcome("not robust", `${robust}; ${without} ${percent(least)}`);
  return outcome("healthy", `${clean}, ${robust}`);
}
