/** @file The curves: one panel per quantity, one colour per run, drawn anew whenever there is something new. */

import type { Evaluation } from "@gradalign/robustness";
import { drawFigure, PGD, panelFigure, percent, type SeriesRow, seriesRows, yScale } from "@gradalign/runs";
import * as Plot from "@observablehq/plot";

/** A run as the panels show it. */
export interface Curve {
  readonly label: string;
  /** A CSS colour. */
  readonly color: string;
  /** Where its axis ends. */
  readonly epochs: number;
  readonly evaluations: readonly Evaluation[];
  /** The epoch at which it overfitted. */
  readonly overfitting: number | null;
}

interface Panel {
  readonly key: "test_clean_acc" | "test_fgsm_acc" | "test_pgd_acc" | "gradient_alignment";
  readonly title: string;
  /** The title where there is little room. */
  readonly short: string;
  readonly caption: string;
  readonly scale: "percent" | "cosine";
}

/** What is drawn, in reading order. */
export const PANELS: readonly Panel[] = [
  { key: "test_clean_acc", title: "Clean accuracy", short: "clean", caption: "On test images as they are.", scale: "percent" },
  { key: "test_pgd_acc", title: `${PGD} accuracy`, short: PGD, caption: `Attacked with ${PGD}: what robustness is left.`, scale: "percent" },
  {
    key: "test_fgsm_acc",
    title: "FGSM accuracy",
    short: "FGSM",
    caption: "Attacked with the one step that FGSM trains on. It jumps up when training overfits to it.",
    scale: "percent",
  },
  {
    key: "gradient_alignment",
    title: "Gradient alignment",
    short: "alignment",
    caption: "Cosine of the input gradients at an image and at a random point of the ball around it. It falls when training overfits.",
    scale: "cosine",
  },
];

/** Percents reach up to 30 in any case, so that a run's first numbers do not fill the panel. */
const LEAST_TOP = 0.3;

/** A quantity's latest value in words. */
export function latestValue({ key, scale }: Panel, evaluations: readonly Evaluation[]): string {
  const value = evaluations.at(-1)?.[key];
  if (value === undefined || value === null) return "–";
  return scale === "percent" ? percent(value) : value.toFixed(2);
}

/** One panel as an SVG of the given width. */
export function drawPanel(panel: Panel, curves: readonly Curve[], width: number): Element {
  const { key, title, scale } = panel;
  const rows = seriesRows(curves, { key, label: title });
  const format = (value: number): string => (scale === "percent" ? percent(value) : value.toFixed(3));
  const figure = panelFigure({
    title,
    description: curves.map((curve) => `${curve.label}: ${latestValue(panel, curve.evaluations)}`).join("; "),
    rows,
    by: "run",
    // The cards below are the legend.
    lines: curves.map(({ label, color }) => ({ name: label, legend: label, short: "", color, dash: "" })),
    collapses: curves.flatMap(({ color, overfitting }) =>
      overfitting === null ? [] : [{ epoch: overfitting, color, short: `epoch ${overfitting.toFixed(1)}` }],
    ),
    epochs: Math.max(1, ...curves.map(({ epochs }) => epochs)),
    y: { ...yScale(scale, rows, false, LEAST_TOP), label: null, ticks: 5 },
    bound: undefined,
    width,
    height: width < 400 ? 200 : 240,
  });
  const tip = Plot.tip(
    rows,
    // However far the pointer is, the nearest point answers.
    Plot.pointer({
      x: "epoch",
      y: "value",
      maxRadius: Number.POSITIVE_INFINITY,
      stroke: "run",
      // In ems: a telephone has room for half a panel beside a point.
      lineWidth: width < 400 ? 10 : 24,
      title: ({ run, epoch, value }: SeriesRow) => `${run}\nepoch ${epoch.toFixed(2)}: ${format(value)}`,
    }),
  );
  return drawFigure({ ...figure, marks: [...(figure.marks ?? []), tip] }, document);
}
