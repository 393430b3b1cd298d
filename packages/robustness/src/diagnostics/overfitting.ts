/**
 * @file Catastrophic overfitting: within a few iterations a network loses its robustness to PGD, while FGSM, which it is trained
 * on, seems to be beaten better than ever.
 */

/** The measurements the detector reads; accuracies in [0, 1]. */
export interface RobustnessPoint {
  readonly iteration: number;
  readonly epoch: number;
  readonly test_pgd_acc: number;
  readonly test_fgsm_acc: number;
  /** Null where it is undefined on every image. */
  readonly gradient_alignment: number | null;
}

/** A detected collapse. */
export interface Overfitting {
  readonly iteration: number;
  readonly epoch: number;
  /** What fell, in words. */
  readonly evidence: string;
  /** The evaluation with the best PGD accuracy so far, and the one that gave the collapse away. */
  readonly before: RobustnessPoint;
  readonly after: RobustnessPoint;
}

/** How much of the best PGD accuracy must be left. */
const KEPT = 0.5;
/** The best must have been above chance by this much, or there was no robustness to lose. */
const ABOVE_CHANCE = 0.05;
/** FGSM accuracy beyond PGD accuracy that no smooth loss shows. */
const GAP = 0.1;
/** How much of the gradient alignment must be left if FGSM accuracy says nothing. */
const ALIGNED = 1 / 3;

/**
 * The first evaluation at which PGD accuracy has fallen below half of its best so far and either FGSM accuracy is no lower than it
 * was then and 10 points above PGD accuracy, or gradient alignment has fallen below a third. Null if there is none.
 *
 * @param points Evaluations in order of iteration.
 * @param chance Accuracy of guessing, 1 / classes.
 */
export function detectOverfitting(points: readonly RobustnessPoint[], chance: number): Overfitting | null {
  let best: RobustnessPoint | null = null;
  for (const point of points) {
    if (best && best.test_pgd_acc >= chance + ABOVE_CHANCE && point.test_pgd_acc < KEPT * best.test_pgd_acc) {
      const fooled = point.test_fgsm_acc >= best.test_fgsm_acc && point.test_fgsm_acc - point.test_pgd_acc >= GAP;
      const [was, is] = [best.gradient_alignment, point.gradient_alignment];
      const misaligned = was !== null && is !== null && is < ALIGNED * was;
      if (fooled || misaligned) {
        return { iteration: point.iteration, epoch: point.epoch, evidence: describe(best, point), before: best, after: point };
      }
    }
    if (!best || point.test_pgd_acc > best.test_pgd_acc) best = point;
  }
  return null;
}

/** A fraction in evidence. */
export const percent = (value: number): string => `${(100 * value).toFixed(1)}%`;

const cosine = (value: number | null): string => value?.toFixed(2) ?? "undefined";

function describe(before: RobustnessPoint, after: RobustnessPoint): string {
  return (
    `PGD accuracy fell from ${percent(before.test_pgd_acc)} (iteration ${before.iteration}) to ${percent(after.test_pgd_acc)}, ` +
    `FGSM accuracy went from ${percent(before.test_fgsm_acc)} to ${percent(after.test_fgsm_acc)}, ` +
    `gradient alignment from ${cosine(before.gradient_alignment)} to ${cosine(after.gradient_alignment)}`
  );
}
