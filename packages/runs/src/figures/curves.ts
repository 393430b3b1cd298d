/**
 * @file The curves of a report, after figures 4, 6 and 11 of the paper.
 *
 * One run: a figure per group of quantities, a line per quantity. Several runs: a figure per group with a panel per quantity and a
 * line per run. Either way a dashed line stands where catastrophic overfitting happened.
 */

import { imageSize } from "@gradalign/robustness";
import type * as Plot from "@observablehq/plot";
import type { ReportRun } from "../run/run-data.ts";
import type { FigureOptions } from "./draw.ts";
import { type Line, panelFigure } from "./panel.ts";
import {
  ACCURACIES,
  filterStyle,
  LINEARITY,
  LOSSES,
  needsLogScale,
  normRows,
  PGD,
  runStyle,
  type Series,
  type SeriesRow,
  SIGNS,
  seriesRows,
  TRAINING,
} from "./series.ts";

/** A figure with the words around it. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  /** Its lines, the same in all panels; none if there is only one. */
  readonly legend: readonly Omit<Line, "short">[];
  readonly panels: readonly { readonly title: string; readonly options: FigureOptions }[];
}

/** A group of quantities that share an axis. */
export interface CurveGroup {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly axis: string;
  readonly series: readonly Series[];
  readonly scale: "percent" | "cosine" | "loss" | "linear";
}

/** All quantities of evaluations that are drawn over the epochs. */
export const CURVE_GROUPS: readonly CurveGroup[] = [
  {
    id: "accuracy",
    title: "Accuracy on test images",
    caption: `First test images, attacked with the training radius. Catastrophic overfitting: FGSM accuracy jumps up while that under ${PGD} falls towards zero.`,
    axis: "accuracy",
    series: ACCURACIES,
    scale: "percent",
  },
  {
    id: "loss",
    title: "Loss under attack",
    caption:
      "While the loss is locally linear, FGSM finds nearly the same loss as more steps do. A gap means that FGSM no longer solves the inner maximisation.",
    axis: "cross-entropy",
    series: LOSSES,
    scale: "loss",
  },
  {
    id: "linearity",
    title: "Local linearity",
    caption:
      "Gradient alignment: cosine of the input gradients at x and at x + η, η uniform in the ball. Below it, the cosine of the two attacks' perturbations.",
    axis: "cosine",
    series: LINEARITY,
    scale: "cosine",
  },
  {
    id: "signs",
    title: "What the steps tell of their attack",
    caption:
      "Averages over the last ten steps or so, at no further pass: the cosine of the attack's gradient and the input gradient where training took place, and the share of examples whose loss was lower there than where the attack began.",
    axis: "cosine, share",
    series: SIGNS,
    scale: "cosine",
  },
  {
    id: "training",
    title: "Training objective",
    caption: "Averages over the training steps since the evaluation before; the regulariser includes its weight λ.",
    axis: "loss",
    series: TRAINING,
    scale: "linear",
  },
  {
    id: "delta",
    title: "Size of the FGSM perturbation",
    caption: "Mean ‖δ‖₂ after clipping to the image range; the dotted line is ε√d, the most the ball allows.",
    axis: "‖δ‖₂",
    series: [{ key: "delta_l2", label: "mean ‖δ‖₂", short: "‖δ‖₂", color: "var(--cosine)" }],
    scale: "linear",
  },
  {
    id: "learning-rate",
    title: "Learning rate",
    caption: "The schedule, step by step.",
    axis: "learning rate",
    series: [{ key: "lr", label: "learning rate", short: "rate", color: "var(--muted)" }],
    scale: "linear",
  },
];

const NORMS = [
  {
    key: "filter_norms",
    id: "filter-norms",
    title: "Norms of the filters",
    caption: "‖w‖₂ of each filter of the first layer. In the paper one filter, a Laplace-like edge detector, grows after the collapse while the others shrink.",
  },
  {
    key: "outgoing_norms",
    id: "outgoing-norms",
    title: "Norms of the outgoing weights",
    caption: "‖u‖₂ of the weights from each filter's feature map to the classes.",
  },
] as const;

/** The figures of one run. */
export function runFigures(run: ReportRun): Figure[] {
  const curves = CURVE_GROUPS.flatMap((group) => {
    const series = group.series.filter((one) => isMeasured([run], one));
    if (series.length === 0) return [];
    const rows = series.flatMap((one) => seriesRows([run], one));
    const lines = series.map(({ label, short, color }): Line => ({ name: label, legend: label, short, color, dash: "" }));
    return [figure(group, [{ title: group.title, rows, runs: [run] }], { by: "series", lines, width: WIDE })];
  });
  return [...curves, ...normFigures([run], WIDE)];
}

/** The figures that compare several runs. */
export function comparisonFigures(runs: readonly ReportRun[]): Figure[] {
  const lines = runs.map(({ label }, i): Line => ({ name: label, legend: `${i + 1} ${label}`, short: String(i + 1), ...runStyle(i) }));
  const curves = CURVE_GROUPS.flatMap((group) => {
    const panels = group.series.filter((one) => isMeasured(runs, one)).map((one) => ({ title: one.label, rows: seriesRows(runs, one), runs }));
    return panels.length === 0 ? [] : [figure(group, panels, { by: "run", lines, width: NARROW })];
  });
  return [...curves, ...normFigures(runs, NARROW)];
}

/** Width of a panel that is alone in its figure, and of one of several; a telephone shows the latter as they are. */
const [WIDE, NARROW] = [520, 360];

function normFigures(runs: readonly ReportRun[], width: number): Figure[] {
  return NORMS.flatMap(({ key, ...words }) => {
    const panels = runs
      .map((run) => ({ title: runs.length > 1 ? run.label : words.title, rows: normRows(run, key), runs: [run] }))
      .filter(({ rows }) => rows.length > 0);
    if (panels.length === 0) return [];
    const names = [...new Set(panels.flatMap(({ rows }) => rows.map((row) => row.series)))];
    const lines = names.map((name, i): Line => ({ name, legend: name, short: name, ...filterStyle(i) }));
    return [figure({ ...words, axis: "norm", series: [], scale: "linear" }, panels, { by: "series", lines, width })];
  });
}

/** A regulariser that is zero throughout was never part of the objective. */
function isMeasured(runs: readonly ReportRun[], series: Series): boolean {
  return seriesRows(runs, series).some((row) => series.key !== "train_reg" || row.value !== 0);
}

interface PanelData {
  readonly title: string;
  readonly rows: readonly SeriesRow[];
  readonly runs: readonly ReportRun[];
}

interface Look {
  readonly by: "series" | "run";
  readonly lines: readonly Line[];
  readonly width: number;
}

/** A figure whose panels share their axes, so that they can be compared. */
function figure(group: CurveGroup, panels: readonly PanelData[], { by, lines, width }: Look): Figure {
  const { id, title, caption, axis, scale } = group;
  const all = panels.flatMap(({ rows }) => rows);
  const log = scale === "loss" && needsLogScale(all);
  const epochs = Math.max(...panels.flatMap(({ runs }) => runs.map(({ config }) => config.epochs)), ...all.map((row) => row.epoch));
  const y = { ...yScale(scale, all, log), label: log ? `${axis} (log)` : axis };
  return {
    id,
    title,
    caption,
    legend: lines.length > 1 ? lines : [],
    panels: panels.map((panel) => ({
      title: panel.title,
      options: panelFigure({
        title: panel.title === title ? title : `${title}: ${panel.title}`,
        description: `${describeRanges(panel.rows, by, scale)} ${describeOverfitting(panel.runs)}`.trim(),
        rows: panel.rows,
        by,
        lines,
        collapses: panel.runs.flatMap(({ overfitting }, i) =>
          overfitting ? [{ epoch: overfitting.epoch, short: String(i + 1), color: by === "run" ? runStyle(i).color : "var(--alarm)" }] : [],
        ),
        epochs,
        y,
        bound: id === "delta" ? largestPerturbation(panel.runs) : undefined,
        width,
      }),
    })),
  };
}

/** The axis of a quantity's values; percents reach up to `least` in any case. */
export function yScale(scale: CurveGroup["scale"], rows: readonly SeriesRow[], log = false, least = Number.NEGATIVE_INFINITY): Plot.ScaleOptions {
  const values = rows.map((row) => row.value);
  if (scale === "percent") return percentAxis(Math.max(least, ...values));
  if (scale === "cosine") return { domain: [Math.min(0, ...values), 1] };
  if (log) return { type: "log", nice: true, ticks: 5, tickFormat: "~g" };
  return { zero: true, nice: true, ticks: 6, tickFormat: "~g" };
}

/** The axis of accuracies of at most this fraction: it ends at a multiple of ten above. */
export function percentAxis(most: number): Plot.ScaleOptions {
  return { domain: [0, Math.min(100, Math.ceil(most * 10 + 0.2) * 10)], percent: true, tickFormat: (value: number) => `${value} %` };
}

/** ε√d over the runs, d the number of input values; undefined where it differs. */
function largestPerturbation(runs: readonly ReportRun[]): number | undefined {
  const bounds = new Set(runs.map(({ config }) => config.epsilon * Math.sqrt(imageSize(config.dataset))));
  const [bound] = bounds;
  return bounds.size === 1 ? bound : undefined;
}

function formatValue(value: number, scale: CurveGroup["scale"]): string {
  return scale === "percent" ? `${(100 * value).toFixed(1)} %` : value.toPrecision(4);
}

function describeRanges(rows: readonly SeriesRow[], by: "series" | "run", scale: CurveGroup["scale"]): string {
  const parts = [...new Set(rows.map((row) => row[by]))].map((name) => {
    const own = rows.filter((row) => row[by] === name);
    return `${name} from ${formatValue((own[0] as SeriesRow).value, scale)} to ${formatValue((own.at(-1) as SeriesRow).value, scale)}`;
  });
  return `Over the epochs: ${parts.join(", ")}.`;
}

function describeOverfitting(runs: readonly ReportRun[]): string {
  const parts = runs.flatMap((run) => (run.overfitting ? [`${run.label} overfits catastrophically at epoch ${run.overfitting.epoch.toFixed(1)}`] : []));
  return parts.length === 0 ? "" : `${parts.join("; ")}.`;
}
