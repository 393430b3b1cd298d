/**
 * @file The curves of a report, after figures 4, 6 and 11 of the paper.
 *
 * One run: a small figure per group of quantities, coloured by quantity. Several runs: a wide figure per group with one
 * facet per quantity, coloured by run. Either way a dashed line stands where catastrophic overfitting happened.
 */
import * as Plot from "@observablehq/plot";
import type { ReportRun } from "./report-data.ts";
import { ACCURACIES, filterColor, LINEARITY, LOSSES, needsLogScale, normRows, runColor, type Series, type SeriesRow, seriesRows, TRAINING } from "./series.ts";
import { drawFigure } from "./svg.ts";

/** A drawn figure with the words around it. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  /** SVG markup, with its legend. */
  readonly markup: string;
  /** Whether it takes the page's whole width. */
  readonly wide: boolean;
}

/** A group of quantities that share an axis. */
interface CurveGroup {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly axis: string;
  readonly series: readonly Series[];
  readonly scale: "percent" | "cosine" | "loss" | "linear";
}

const GROUPS: readonly CurveGroup[] = [
  {
    id: "accuracy",
    title: "Accuracy on test images",
    caption: "First test images, attacked with the training radius. Catastrophic overfitting: FGSM accuracy jumps up while PGD accuracy falls towards zero.",
    axis: "accuracy",
    series: ACCURACIES,
    scale: "percent",
  },
  {
    id: "loss",
    title: "Loss under attack",
    caption: "While the loss is locally linear, FGSM finds nearly the same loss as PGD. A gap means that FGSM no longer solves the inner maximisation.",
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
    series: [{ key: "delta_l2", label: "mean ‖δ‖₂", color: "var(--cosine)" }],
    scale: "linear",
  },
  {
    id: "learning-rate",
    title: "Learning rate",
    caption: "The schedule, step by step.",
    axis: "learning rate",
    series: [{ key: "lr", label: "learning rate", color: "var(--muted)" }],
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
  const curves = GROUPS.flatMap((group) => {
    const rows = seriesRows(
      [run],
      group.series.filter((series) => isMeasured(run, series)),
    );
    if (rows.length === 0) return [];
    const shown = group.series.filter((series) => rows.some((row) => row.series === series.label));
    return [draw(group, { rows, runs: [run], names: shown.map((series) => series.label), colors: shown.map((series) => series.color), color: "series" })];
  });
  return [...curves, ...normFigures([run])];
}

/** The figures that compare several runs. */
export function comparisonFigures(runs: readonly ReportRun[]): Figure[] {
  const curves = GROUPS.flatMap((group) => {
    const rows = seriesRows(
      runs,
      group.series.filter((series) => runs.some((run) => isMeasured(run, series))),
    );
    if (rows.length === 0) return [];
    const names = runs.map((run) => run.label);
    return [draw(group, { rows, runs, names, colors: names.map((_, i) => runColor(i)), color: "run", facet: "series" })];
  });
  return [...curves, ...normFigures(runs)];
}

function normFigures(runs: readonly ReportRun[]): Figure[] {
  return NORMS.flatMap(({ key, ...words }) => {
    const rows = normRows(runs, key);
    if (rows.length === 0) return [];
    const names = [...new Set(rows.map((row) => row.series))];
    const group: CurveGroup = { ...words, axis: "norm", series: [], scale: "linear" };
    const colors = names.map((_, i) => filterColor(i));
    return [draw(group, { rows, runs, names, colors, color: "series", ...(runs.length > 1 ? { facet: "run" as const } : {}) })];
  });
}

/** A regulariser that is zero throughout was never part of the objective. */
function isMeasured(run: ReportRun, series: Series): boolean {
  return series.key !== "train_reg" || run.evaluations.some((evaluation) => evaluation.train_reg !== 0);
}

interface DrawOptions {
  readonly rows: readonly SeriesRow[];
  readonly runs: readonly ReportRun[];
  /** Colour domain and range. */
  readonly names: readonly string[];
  readonly colors: readonly string[];
  readonly color: "series" | "run";
  readonly facet?: "series" | "run";
}

function draw(group: CurveGroup, options: DrawOptions): Figure {
  const { rows, runs, names, colors, color } = options;
  const facets = options.facet ? [...new Set(rows.map((row) => row[options.facet as "series" | "run"]))] : [];
  // A single facet would only repeat the figure's title.
  const facet = facets.length > 1 ? options.facet : undefined;
  const fx = facet ? { fx: facet } : {};
  const log = group.scale === "loss" && needsLogScale(rows);
  const epochs = Math.max(...runs.map((run) => run.config.epochs), ...rows.map((row) => row.epoch));
  const wide = facet !== undefined;
  const bound = group.id === "delta" ? largestPerturbation(runs) : undefined;
  const markup = drawFigure({
    ariaLabel: group.title,
    ariaDescription: `${describeRanges(rows, group.scale)} ${describeOverfitting(runs)}`,
    width: wide ? 1080 : 520,
    height: 312,
    marginTop: wide ? 50 : 34,
    marginLeft: 50,
    marginRight: 16,
    marginBottom: 42,
    x: { label: "epoch", labelOffset: 38, domain: [0, epochs], nice: false },
    y: { ...yScale(group, rows, log), grid: true, label: log ? `${group.axis} (log)` : group.axis },
    ...(wide ? { fx: { label: null, domain: facets, padding: 0.12, axis: null } } : {}),
    color: { domain: [...names], range: [...colors], legend: names.length > 1 },
    marks: [
      Plot.frame({ stroke: "var(--line)", anchor: "bottom" }),
      // Raised, to leave the line below it to the words about overfitting.
      ...(wide ? [Plot.axisFx({ anchor: "top", dy: -15, fontWeight: 600 })] : []),
      ...(bound === undefined ? [] : [Plot.ruleY([bound], { stroke: "var(--muted)", strokeDasharray: "1,3" })]),
      Plot.lineY(rows, {
        x: "epoch",
        y: "value",
        z: (row: SeriesRow) => `${row.run}/${row.series}`,
        stroke: color,
        strokeWidth: 1.8,
        strokeLinejoin: "round",
        ...fx,
      }),
      // A run of few evaluations would otherwise be a line between unmarked points.
      ...(rows.length / Math.max(1, names.length * Math.max(1, facets.length)) <= 40
        ? [Plot.dot(rows, { x: "epoch", y: "value", fill: color, r: 2.2, ...fx })]
        : []),
      ...overfittingMarks(runs, { color, facet, epochs }),
      Plot.ruleX(hoverRows(rows), {
        x: "epoch",
        ...(facet ? { fx: "facet" } : {}),
        title: "title",
        stroke: "transparent",
        strokeWidth: 6,
        className: "hover",
      }),
    ],
  });
  return { id: group.id, title: group.title, caption: group.caption, markup, wide };

  /** One invisible line per evaluation: its tooltip lists the values, the page shows it when pointed at. */
  function hoverRows(all: readonly SeriesRow[]): { epoch: number; facet: string; title: string }[] {
    const groups = new Map<string, SeriesRow[]>();
    for (const row of all) {
      const key = `${facet ? row[facet] : ""}\n${row.epoch}`;
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    return [...groups.values()].map((list) => {
      const first = list[0] as SeriesRow;
      const lines = list.map((row) => `${row[color]}: ${formatValue(row.value, group.scale)}`);
      return { epoch: first.epoch, facet: facet ? first[facet] : "", title: [`epoch ${first.epoch.toFixed(2)}`, ...lines].join("\n") };
    });
  }
}

/** Dashed lines where runs overfitted, with a word beside the first. */
function overfittingMarks(
  runs: readonly ReportRun[],
  { color, facet, epochs }: { color: "series" | "run"; facet: "series" | "run" | undefined; epochs: number },
): Plot.Markish[] {
  const points = runs.flatMap((run, i) =>
    run.overfitting ? [{ epoch: run.overfitting.epoch, run: run.label, stroke: color === "run" ? runColor(i) : "var(--alarm)" }] : [],
  );
  return points.flatMap((point) => {
    const where = facet === "run" ? { fx: () => point.run } : {};
    const left = point.epoch > epochs * 0.6;
    return [
      Plot.ruleX([point], { x: "epoch", stroke: point.stroke, strokeDasharray: "5,3", strokeWidth: 1.4, ...where }),
      Plot.text([point], {
        x: "epoch",
        text: () => `overfits, epoch ${point.epoch.toFixed(1)}`,
        frameAnchor: "top",
        textAnchor: left ? "end" : "start",
        lineAnchor: "bottom",
        dx: left ? 4 : -4,
        dy: -4,
        fill: point.stroke,
        ...where,
      }),
    ];
  });
}

function yScale(group: CurveGroup, rows: readonly SeriesRow[], log: boolean): Plot.ScaleOptions {
  const values = rows.map((row) => row.value);
  if (group.scale === "percent") return { domain: [0, niceTop(Math.max(...values))], percent: true, tickFormat: (value: number) => `${value} %` };
  if (group.scale === "cosine") return { domain: [Math.min(0, ...values), 1] };
  if (log) return { type: "log", nice: true, ticks: 5, tickFormat: "~g" };
  return { zero: true, nice: true, ticks: 6, tickFormat: "~g" };
}

/** Percent axes end at a multiple of ten above the data. */
function niceTop(fraction: number): number {
  return Math.min(100, Math.ceil(fraction * 10 + 0.2) * 10);
}

/** ε√d over the runs, d the number of input values; undefined when the radius differs or is not known. */
function largestPerturbation(runs: readonly ReportRun[]): number | undefined {
  const radii = new Set(runs.map((run) => run.config.epsilon));
  const [epsilon] = radii;
  return radii.size === 1 && epsilon !== undefined ? epsilon * Math.sqrt(3 * 32 * 32) : undefined;
}

function formatValue(value: number, scale: CurveGroup["scale"]): string {
  return scale === "percent" ? `${(100 * value).toFixed(1)} %` : value.toPrecision(4);
}

function describeRanges(rows: readonly SeriesRow[], scale: CurveGroup["scale"]): string {
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const key = `${row.run} ${row.series}`;
    groups.set(key, [...(groups.get(key) ?? []), row.value]);
  }
  const parts = [...groups].map(
    ([name, values]) => `${name} from ${formatValue(values[0] as number, scale)} to ${formatValue(values.at(-1) as number, scale)}`,
  );
  return `Over the epochs: ${parts.join(", ")}.`;
}

function describeOverfitting(runs: readonly ReportRun[]): string {
  const parts = runs.flatMap((run) => (run.overfitting ? [`${run.label} overfits catastrophically at epoch ${run.overfitting.epoch.toFixed(1)}`] : []));
  return parts.length === 0 ? "No catastrophic overfitting." : `${parts.join("; ")}.`;
}
