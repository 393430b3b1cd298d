/** @file The quantities a report draws: their names, colours, and values as rows that Plot takes. */
import type { Evaluation } from "gradalign";
import type { ReportRun } from "./report-data.ts";

/** One curve: which field of an evaluation it shows, and how it is called and coloured. */
export interface Series {
  readonly key: keyof Evaluation;
  readonly label: string;
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

/** Accuracies on the test images, as in figures 4a and 11 of the paper. */
export const ACCURACIES: readonly Series[] = [
  { key: "test_clean_acc", label: "clean", color: "var(--clean)" },
  { key: "test_fgsm_acc", label: "FGSM", color: "var(--fgsm)" },
  { key: "test_pgd_acc", label: "PGD", color: "var(--pgd)" },
];

/** Losses under attack, as in figure 4b. */
export const LOSSES: readonly Series[] = [
  { key: "test_fgsm_loss", label: "FGSM loss", color: "var(--fgsm)" },
  { key: "test_pgd_loss", label: "PGD loss", color: "var(--pgd)" },
];

/** Measures of local linearity, as in figure 4c. */
export const LINEARITY: readonly Series[] = [
  { key: "gradient_alignment", label: "gradient alignment", color: "var(--alignment)" },
  { key: "cos_fgsm_pgd", label: "cos(δ FGSM, δ PGD)", color: "var(--cosine)" },
];

/** What the optimizer sees on the training batches. */
export const TRAINING: readonly Series[] = [
  { key: "train_loss", label: "training loss", color: "var(--fgsm)" },
  { key: "train_reg", label: "regulariser", color: "var(--alignment)" },
];

const PALETTE: readonly string[] = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => `var(--run-${i})`);

/** Colour of the i-th run of a comparison. */
export function runColor(i: number): string {
  return PALETTE[i % PALETTE.length] as string;
}

/** Colour of the i-th filter; the first ones are not those of the first runs. */
export function filterColor(i: number): string {
  return runColor(i + 2);
}

/** The points of some curves of some runs; what was not measured is left out. */
export function seriesRows(runs: readonly ReportRun[], series: readonly Series[]): SeriesRow[] {
  return runs.flatMap((run) =>
    series.flatMap(({ key, label }) =>
      run.evaluations.flatMap((evaluation) => {
        const value = evaluation[key];
        return typeof value === "number" && Number.isFinite(value) ? [{ epoch: evaluation.epoch, value, series: label, run: run.label }] : [];
      }),
    ),
  );
}

/** The norms of each filter (or of its outgoing weights) over the epochs; `series` is `w1`, `w2`, … */
export function normRows(runs: readonly ReportRun[], key: "filter_norms" | "outgoing_norms"): SeriesRow[] {
  return runs.flatMap((run) =>
    run.evaluations.flatMap((evaluation) =>
      (evaluation[key] ?? []).flatMap((value, i) => (Number.isFinite(value) ? [{ epoch: evaluation.epoch, value, series: `w${i + 1}`, run: run.label }] : [])),
    ),
  );
}

/** Whether values spread so far that only a logarithmic axis shows them all. */
export function needsLogScale(rows: readonly SeriesRow[]): boolean {
  const values = rows.map((row) => row.value);
  const smallest = Math.min(...values);
  return values.length > 0 && smallest > 0 && Math.max(...values) / smallest > 20;
}
