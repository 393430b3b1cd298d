/** @file The quantities a report draws: their names, how their lines look, and values as rows that Plot takes. */
import { EVALUATION_PGD, type Evaluation } from "@gradalign/robustness";
import type { ReportRun } from "../run/run-data.ts";
import { attackName } from "../words/format.ts";

/** How a line is told from others, also in black and white. */
export interface LineStyle {
  /** A CSS colour, usually a variable of the page. */
  readonly color: string;
  /** As SVG's stroke-dasharray; empty for a solid line. */
  readonly dash: string;
}

/** One curve: which field of an evaluation it shows, and how it is called and coloured. */
export interface Series {
  readonly key: keyof Evaluation;
  readonly label: string;
  /** What stands at the end of its line. */
  readonly short: string;
  /** A CSS colour, usually a variable of the page. */
  readonly color: string;
}

/** One point of a curve. */
export interface SeriesRow {
  readonly epoch: number;
  readonly value: number;
  readonly series: string;
  /** Label of the run the point belongs to. */
  readonly run: string;
}

/** The attack that evaluations during training measure robustness with. */
export const PGD = attackName(EVALUATION_PGD);

/** Accuracies on the test images, as in figures 4a and 11 of the paper. */
export const ACCURACIES: readonly Series[] = [
  { key: "test_clean_acc", label: "clean", short: "clean", color: "var(--clean)" },
  { key: "test_fgsm_acc", label: "FGSM", short: "FGSM", color: "var(--fgsm)" },
  { key: "test_pgd_acc", label: PGD, short: PGD, color: "var(--pgd)" },
];

/** Losses under attack, as in figure 4b. */
export const LOSSES: readonly Series[] = [
  { key: "test_fgsm_loss", label: "FGSM loss", short: "FGSM", color: "var(--fgsm)" },
  { key: "test_pgd_loss", label: `${PGD} loss`, short: PGD, color: "var(--pgd)" },
];

/** Measures of local linearity, as in figure 4c. */
export const LINEARITY: readonly Series[] = [
  { key: "gradient_alignment", label: "gradient alignment", short: "alignment", color: "var(--alignment)" },
  { key: "cos_fgsm_pgd", label: `cos(δ FGSM, δ ${PGD})`, short: "cos δ", color: "var(--cosine)" },
];

/** What a watched step tells of its attack. */
export const SIGNS: readonly Series[] = [
  { key: "attack_alignment", label: "alignment of attack and training", short: "alignment", color: "var(--alignment)" },
  { key: "fallen_losses", label: "share of losses that fell", short: "fallen", color: "var(--fgsm)" },
];

/** What the optimizer sees on the training batches. */
export const TRAINING: readonly Series[] = [
  { key: "train_loss", label: "training loss", short: "loss", color: "var(--fgsm)" },
  { key: "train_reg", label: "regulariser", short: "regulariser", color: "var(--alignment)" },
];

const COLORS = 8;
const DASHES: readonly string[] = ["", "7,3", "2,2"];

/** How the i-th run of a comparison is drawn: 24 of them differ. */
export function runStyle(i: number): LineStyle {
  return { color: `var(--run-${1 + (i % COLORS)})`, dash: DASHES[Math.floor(i / COLORS) % DASHES.length] as string };
}

/** How the i-th filter is drawn; the first ones are not coloured as the first runs are. */
export function filterStyle(i: number): LineStyle {
  return runStyle(i + 2);
}

/** The points of a curve of some runs; what was not measured is left out. */
export function seriesRows(runs: readonly Pick<ReportRun, "label" | "evaluations">[], { key, label }: Pick<Series, "key" | "label">): SeriesRow[] {
  return runs.flatMap((run) =>
    run.evaluations.flatMap((evaluation) => {
      const value = evaluation[key];
      return typeof value === "number" && Number.isFinite(value) ? [{ epoch: evaluation.epoch, value, series: label, run: run.label }] : [];
    }),
  );
}

/** The norms of each filter (or of its outgoing weights) of a run over the epochs; `series` is `w1`, `w2`, … */
export function normRows(run: ReportRun, key: "filter_norms" | "outgoing_norms"): SeriesRow[] {
  return run.evaluations.flatMap((evaluation) =>
    (evaluation[key] ?? []).flatMap((value, i) => (Number.isFinite(value) ? [{ epoch: evaluation.epoch, value, series: `w${i + 1}`, run: run.label }] : [])),
  );
}

/** Whether values spread so far that only a logarithmic axis shows them all. */
export function needsLogScale(rows: readonly SeriesRow[]): boolean {
  const values = rows.map((row) => row.value);
  const smallest = Math.min(...values);
  return values.length > 0 && smallest > 0 && Math.max(...values) / smallest > 20;
}
