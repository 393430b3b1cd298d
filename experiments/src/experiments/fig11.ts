/** @file Figure 11: accuracies, losses and alignment while the single-layer network overfits catastrophically. */
import type { Evaluation } from "@gradalign/robustness";
import type { Experiment, Measurement } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { curveFigure, curveOf } from "../support/curves.ts";
import { evaluationRows, rowsAsEvaluations } from "../support/evaluations.ts";
import { collapseComparison, singleLayerExperiment } from "../support/single-layer.ts";
import { decimals, known, percent } from "../support/statistics.ts";

/** Figure 11. */
export const fig11: Experiment = singleLayerExperiment({
  id: "fig11",
  title: "Catastrophic overfitting in the single-layer network",
  paper: "Figure 11, appendix C.2",
  summary: "FGSM training of a single-layer network with four filters at ε = 10/255, measured on test images as it goes on.",
  look({ finished }, _lab, _scale, runs) {
    const overfitting = finished.overfitting;
    return {
      measurements: evaluationRows(finished),
      details: {
        before: overfitting ? { ...overfitting.before } : null,
        examples: finished.config.evalExamples,
        collapses: runs.map((run) => ({ seed: run.seed, epoch: run.collapse })),
      },
    };
  },
  page({ measurements, details }) {
    const { seed, collapse, before, examples, collapses } = details as unknown as {
      seed: number;
      collapse: number | null;
      before: Evaluation | null;
      examples: number;
      collapses: { seed: number; epoch: number | null }[];
    };
    const evaluations = rowsAsEvaluations(measurements as readonly Measurement[]);
    const [first, last] = [evaluations[0] as Evaluation, evaluations.at(-1) as Evaluation];
    const numbers = PAPER_NUMBERS.cnn;
    const basis = `first ${examples} test images, seed ${seed}, ε = 10/255, PGD-10`;
    const collapsed = collapse !== null;
    const marks = collapsed ? [{ epoch: collapse }] : [];
    const found = collapses.filter(({ epoch }) => epoch !== null);
    const agrees = (ours: number, paper: number, tolerance: number): boolean | null => (collapsed ? Math.abs(ours - paper) <= tolerance : null);
    return {
      claims: [
        {
          text: "Catastrophic overfitting happens in a single-layer network: PGD accuracy and gradient alignment drop together while FGSM accuracy jumps up.",
          holds: collapsed
            ? last.test_pgd_acc < 0.05 && known(last.gradient_alignment) < 0.3 && last.test_fgsm_acc > (before?.test_fgsm_acc ?? 0)
            : collapses.length > 1
              ? false
              : null,
          evidence: `seeds ${collapses.map((run) => run.seed).join(", ")}: ${found.length === 0 ? "none overfitted" : found.map((run) => `seed ${run.seed} at epoch ${(run.epoch as number).toFixed(1)}`).join(", ")}`,
        },
      ],
      comparisons: [
        collapseComparison(collapse, basis),
        {
          quantity: "PGD accuracy before it (its best)",
          paper: numbers.pgdBefore,
          ours: before ? percent(before.test_pgd_acc) : "–",
          basis,
          agrees: before ? agrees(100 * before.test_pgd_acc, numbers.pgdBefore.value, 5) : null,
        },
        {
          quantity: "PGD accuracy at the end",
          paper: numbers.pgdAfter,
          ours: percent(last.test_pgd_acc),
          basis,
          agrees: agrees(100 * last.test_pgd_acc, 0, 2),
        },
        {
          quantity: "FGSM accuracy at the end",
          paper: numbers.fgsmAfter,
          ours: percent(last.test_fgsm_acc),
          basis,
          agrees: agrees(100 * last.test_fgsm_acc, numbers.fgsmAfter.value, 10),
        },
        {
          quantity: "Gradient alignment at the beginning",
          paper: numbers.alignmentInitial,
          ours: decimals(first.gradient_alignment, 2),
          basis,
          agrees: Math.abs(known(first.gradient_alignment) - numbers.alignmentInitial.value) < 0.05,
        },
        {
          quantity: "Gradient alignment at the end",
          paper: numbers.alignmentEnd,
          ours: decimals(last.gradient_alignment, 2),
          basis,
          agrees: agrees(known(last.gradient_alignment), numbers.alignmentEnd.value, 0.1),
        },
        {
          quantity: "cos(δ FGSM, δ PGD) at the end",
          paper: numbers.cosineEnd,
          ours: decimals(last.cos_fgsm_pgd, 2),
          basis,
          agrees: agrees(known(last.cos_fgsm_pgd), numbers.cosineEnd.value, 0.1),
        },
      ],
      sections: [
        {
          title: "Figure",
          figures: [
            curveFigure({
              id: "accuracy",
              title: "Accuracy",
              caption: `On test images, seed ${seed}; dashed: where catastrophic overfitting was found.`,
              axis: "accuracy",
              points: [
                ...curveOf(evaluations, "test_clean_acc", "clean"),
                ...curveOf(evaluations, "test_fgsm_acc", "FGSM"),
                ...curveOf(evaluations, "test_pgd_acc", "PGD"),
              ],
              colors: { clean: "var(--clean)", FGSM: "var(--fgsm)", PGD: "var(--pgd)" },
              scale: "percent",
              collapses: marks,
            }),
            curveFigure({
              id: "loss",
              title: "Loss under attack",
              caption: "Mean cross-entropy on attacked test images.",
              axis: "cross-entropy",
              points: [...curveOf(evaluations, "test_fgsm_loss", "FGSM"), ...curveOf(evaluations, "test_pgd_loss", "PGD")],
              colors: { FGSM: "var(--fgsm)", PGD: "var(--pgd)" },
              scale: "loss",
              collapses: marks,
            }),
            curveFigure({
              id: "alignment",
              title: "Gradient alignment and agreement of attacks",
              caption: "Eq. 5, and the cosine between FGSM's and PGD's perturbations.",
              axis: "cosine",
              points: [...curveOf(evaluations, "gradient_alignment", "gradient alignment"), ...curveOf(evaluations, "cos_fgsm_pgd", "cos(δ FGSM, δ PGD)")],
              colors: { "gradient alignment": "var(--alignment)", "cos(δ FGSM, δ PGD)": "var(--cosine)" },
              scale: "cosine",
              collapses: marks,
            }),
          ],
        },
      ],
    };
  },
});
