/** @file Figure 4: standard, FGSM and PGD-10 training watched side by side, and the moment FGSM overfits catastrophically. */
import type { Evaluation } from "@gradalign/robustness";
import type { Comparison, Experiment, Measurement, PaperNumber, Scale } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { curveFigure, curveOf } from "../support/curves.ts";
import { evaluationRows, rowsAsEvaluations } from "../support/evaluations.ts";
import { METHOD_COLORS } from "../support/figure.ts";
import { collapseOf, outcomeRows, outcomesIn } from "../support/outcomes.ts";
import { type Cell, gridMethod, LAPTOP, RESNET_CHANGES, resnetTraining } from "../support/resnet-grid.ts";
import { decimals, known, percent } from "../support/statistics.ts";

const METHODS = ["standard", "fgsm", "pgd-10"] as const;

/** Radius in steps of 1/255, and the seed. */
const SIZES: Readonly<Record<Scale, { readonly eps: number; readonly seed: number }>> = {
  paper: { eps: 8, seed: 0 },
  laptop: { eps: 12, seed: 1 },
  smoke: { eps: 8, seed: 0 },
};
/** What the laptop scale needs for robustness that is lost in the middle of training; PGD-10 has nothing to lose, and steps as long as five of FGSM's. */
const LAPTOP_EPOCHS: Readonly<Record<(typeof METHODS)[number], number>> = { standard: 15, fgsm: 15, "pgd-10": LAPTOP.epochs };

function cells(scale: Scale): Cell[] {
  return METHODS.map((method) => ({ method, ...SIZES[scale], laptopEpochs: LAPTOP_EPOCHS[method] }));
}

interface Watched {
  readonly method: string;
  readonly training: string;
  readonly collapse: number | null;
  /** The evaluations around the collapse that the detector compared. */
  readonly before: Evaluation | null;
  readonly after: Evaluation | null;
}

/** Figure 4. */
export const fig4: Experiment = {
  id: "fig4",
  title: "The moment of catastrophic overfitting",
  paper: "Figure 4, section 4",
  summary:
    "Standard, FGSM and PGD-10 training: accuracies and losses under FGSM and PGD, gradient alignment, and agreement of the two attacks, on test images over the epochs.",
  defaultScale: "laptop",
  changes: {
    ...RESNET_CHANGES,
    laptop: [
      ...RESNET_CHANGES.laptop,
      `ε = ${SIZES.laptop.eps}/255 instead of 8/255, seed ${SIZES.laptop.seed}, and ${LAPTOP_EPOCHS.fgsm} epochs for all but PGD-10: the smallest setting found in which FGSM loses its robustness in the middle of training.`,
    ],
  },
  trainings: (scale) => cells(scale).map((cell) => resnetTraining(scale, cell, ["last"])),
  async measure(lab, scale) {
    const measurements: Measurement[] = [];
    const watched: Watched[] = [];
    for (const cell of cells(scale)) {
      const training = resnetTraining(scale, cell, ["last"]);
      const finished = lab.finished(training);
      measurements.push(...outcomeRows(lab, cell, training), ...evaluationRows(finished));
      const { overfitting } = finished;
      watched.push({
        method: cell.method,
        training: finished.id,
        collapse: overfitting?.epoch ?? null,
        before: (overfitting?.before as Evaluation | undefined) ?? null,
        after: (overfitting?.after as Evaluation | undefined) ?? null,
      });
    }
    return { measurements, details: { watched: watched as never } };
  },
  page({ measurements, details }, scale) {
    const watched = (details as unknown as { watched: Watched[] }).watched;
    const curves = (key: keyof Evaluation) =>
      watched.flatMap(({ method, training }) => curveOf(rowsAsEvaluations(measurements, training), key, gridMethod(method).label));
    const fgsm = watched.find(({ method }) => method === "fgsm") as Watched;
    const evaluations = rowsAsEvaluations(measurements, fgsm.training);
    const ofMethod = (method: string): Evaluation[] => rowsAsEvaluations(measurements, watched.find((run) => run.method === method)?.training);
    const last = (method: string): Evaluation => ofMethod(method).at(-1) as Evaluation;
    const collapsed = fgsm.collapse !== null;
    const { before } = fgsm;
    const end = last("fgsm");
    // Ratios of tiny losses at the very start say nothing.
    const healthy = evaluations.filter(({ epoch }) => epoch >= 1 && (before === null || epoch <= before.epoch));
    const ratio = Math.max(...healthy.map((evaluation) => evaluation.test_pgd_loss / evaluation.test_fgsm_loss));
    const told = scale !== "smoke";
    const numbers = PAPER_NUMBERS.fig4;
    const [first] = evaluations as [Evaluation];
    const basis = `first ${measurements.find((row) => row["quantity"] === "evaluation")?.["n"]} test images, PGD-10, ε = ${SIZES[scale].eps}/255, seed ${SIZES[scale].seed}`;
    const row = (quantity: string, paper: PaperNumber, ours: number | null | undefined, tolerance: number): Comparison => {
      const isPercent = paper.unit === "%";
      return {
        quantity,
        paper,
        ours: isPercent ? percent(known(ours)) : decimals(ours, 2),
        basis,
        agrees:
          typeof ours !== "number" || (scale !== "paper" && isPercent && paper.value !== 0) || !told
            ? null
            : Math.abs((isPercent ? 100 : 1) * ours - paper.value) <= tolerance,
      };
    };
    const colors = Object.fromEntries(METHODS.map((method) => [gridMethod(method).label, METHOD_COLORS[method] as string]));
    const marks = watched.flatMap(({ collapse, method }) => (collapse === null ? [] : [{ epoch: collapse, color: METHOD_COLORS[method] as string }]));
    const figure = (id: string, title: string, key: keyof Evaluation, axis: string, kind: "percent" | "loss" | "cosine", caption: string) =>
      curveFigure({ id, title, caption, axis, points: curves(key), colors, scale: kind, collapses: marks });
    return {
      claims: [
        {
          text: "FGSM training overfits catastrophically: PGD accuracy drops to zero while FGSM accuracy stays high.",
          holds: told ? end.test_pgd_acc < 0.05 && end.test_fgsm_acc > end.test_pgd_acc + 0.1 : null,
          evidence: collapsed
            ? `found at epoch ${(fgsm.collapse as number).toFixed(1)}; PGD ${percent(before?.test_pgd_acc ?? Number.NaN)} → ${percent(end.test_pgd_acc)}, FGSM ${percent(before?.test_fgsm_acc ?? Number.NaN)} → ${percent(end.test_fgsm_acc)} at the end`
            : `no robustness was there to lose: PGD accuracy was never above ${percent(Math.max(...evaluations.map((evaluation) => evaluation.test_pgd_acc)))}; at the end PGD ${percent(end.test_pgd_acc)}, FGSM ${percent(end.test_fgsm_acc)}, alignment ${decimals(end.gradient_alignment, 2)}`,
        },
        {
          text: "Gradient alignment and the attacks' agreement drop at the same time.",
          holds:
            told && collapsed
              ? known(end.gradient_alignment) < 0.5 * known(before?.gradient_alignment) && known(end.cos_fgsm_pgd) < 0.5 * known(before?.cos_fgsm_pgd)
              : null,
          evidence: `alignment ${decimals(before?.gradient_alignment, 2)} → ${decimals(end.gradient_alignment, 2)}, cos(δ FGSM, δ PGD) ${decimals(before?.cos_fgsm_pgd, 2)} → ${decimals(end.cos_fgsm_pgd, 2)}`,
        },
        {
          text: "Before, PGD finds hardly more loss than FGSM.",
          holds: told ? ratio <= 1.1 : null,
          evidence: `largest ratio of the losses from epoch 1 until then ${decimals(ratio, 2)}`,
        },
        {
          text: "PGD-10 training stays aligned, standard training does not.",
          holds: told ? known(last("pgd-10").gradient_alignment) > 0.7 && known(last("standard").gradient_alignment) < 0.7 : null,
          evidence: `alignment at the end: PGD-10 ${decimals(last("pgd-10").gradient_alignment, 2)}, standard ${decimals(last("standard").gradient_alignment, 2)}`,
        },
      ],
      comparisons: [
        row("Alignment at initialisation", numbers.alignmentInitial, first.gradient_alignment, 0.05),
        row("FGSM training: alignment before", numbers.alignmentBefore, before?.gradient_alignment, 0.05),
        row("FGSM training: alignment at the end", numbers.alignmentAfter, end.gradient_alignment, 0.1),
        row("FGSM training: PGD accuracy before", numbers.pgdBefore, before?.test_pgd_acc, 3),
        row("FGSM training: PGD accuracy at the end", numbers.pgdAfter, end.test_pgd_acc, 2),
        row("FGSM training: FGSM accuracy before", numbers.fgsmBefore, before?.test_fgsm_acc, 3),
        row("FGSM training: FGSM accuracy at the end", numbers.fgsmAfter, end.test_fgsm_acc, 5),
        row("FGSM training: cos(δ FGSM, δ PGD) at the end", numbers.cosineAfter, end.cos_fgsm_pgd, 0.1),
        row("FGSM training: largest loss ratio PGD / FGSM before", numbers.lossRatioBefore, ratio, 0.05),
        row("PGD-10 training: FGSM accuracy at the end", numbers.pgdTrainingFgsm, last("pgd-10").test_fgsm_acc, 3),
        row("PGD-10 training: PGD accuracy at the end", numbers.pgdTrainingPgd, last("pgd-10").test_pgd_acc, 3),
        row("PGD-10 training: alignment at the end", numbers.pgdTrainingAlignment, last("pgd-10").gradient_alignment, 0.05),
        row("Standard training: alignment at the end", numbers.standardAlignment, last("standard").gradient_alignment, 0.15),
        row("Standard training: cos(δ FGSM, δ PGD) at the end", numbers.standardCosine, last("standard").cos_fgsm_pgd, 0.15),
      ],
      sections: [
        {
          title: "Figure",
          text: `Seed ${SIZES[scale].seed}. Dashed, in the method's colour: where its catastrophic overfitting was found.`,
          figures: [
            figure("fgsm-accuracy", "Accuracy under FGSM", "test_fgsm_acc", "accuracy", "percent", "Jumps up at catastrophic overfitting."),
            figure("pgd-accuracy", "Accuracy under PGD-10", "test_pgd_acc", "accuracy", "percent", "Falls to zero at it."),
            figure("fgsm-loss", "Loss under FGSM", "test_fgsm_loss", "cross-entropy", "loss", "Mean over test images."),
            figure("pgd-loss", "Loss under PGD-10", "test_pgd_loss", "cross-entropy", "loss", "Mean over test images."),
            figure("alignment", "Gradient alignment", "gradient_alignment", "cosine", "cosine", "Eq. 5."),
            figure("cosine", "Agreement of FGSM and PGD", "cos_fgsm_pgd", "cosine", "cosine", "cos(δ FGSM, δ PGD)."),
            figure("clean-accuracy", "Clean accuracy", "test_clean_acc", "accuracy", "percent", "Without attack."),
          ],
        },
        {
          title: "Last models",
          tables: [
            {
              title: "After training",
              columns: ["method", "ε", "attack", "n", "clean", "under attack", "overfits at epoch"],
              rows: outcomesIn(measurements).map((outcome) => [
                gridMethod(outcome.method).label,
                outcome.epsilon,
                outcome.attack.toUpperCase(),
                outcome.n,
                percent(outcome.clean),
                percent(outcome.robust),
                collapseOf(outcome),
              ]),
            },
          ],
        },
      ],
    };
  },
};
