/** @file The drawings: curves over the epochs and the loss around an image. Loaded when there is something to draw. */
import type { Evaluation } from "@gradalign/robustness";
import {
  ACCURACIES,
  drawFigure,
  FIGURE_LETTERS,
  LINEARITY,
  panelFigure,
  percent,
  type Series,
  type SeriesRow,
  seriesRows,
  sliceFigure,
  surfaceFigure,
  yScale,
} from "@gradalign/runs";
import * as Plot from "@observablehq/plot";
import type { Surface } from "../protocol.ts";
import type { EstimatePoint } from "./attack-room.ts";

/** A training as the panels show it. */
export interface Curve {
  readonly label: string;
  /** Where the axis ends. */
  readonly epochs: number;
  readonly evaluations: readonly Evaluation[];
  /** The epoch at which it overfitted. */
  readonly overfitting: number | null;
  /** The epoch that is looked back at. */
  readonly at: number | null;
}

/** A panel's quantities. */
export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  readonly scale: "percent" | "cosine";
}

/** What is drawn of each side, in reading order. */
export const PANELS: readonly Panel[] = [
  { title: "Accuracy", series: ACCURACIES, scale: "percent" },
  { title: "Local linearity", series: LINEARITY, scale: "cosine" },
];

/** Height of a panel. */
export const PANEL_HEIGHT = 220;
/** Percents reach up to 90 at once: both sides have one scale, and nothing moves but the lines. */
const LEAST_TOP = 0.88;

/** The size of letters in the window that there is. */
function lettersHere(): number {
  return matchMedia(FIGURE_LETTERS.isTelephone).matches ? FIGURE_LETTERS.telephone : FIGURE_LETTERS.usual;
}

/** One panel of a training as an SVG of the given width. */
export function drawPanel({ title, series, scale }: Panel, curve: Curve, width: number): Element {
  const rows = series.flatMap((one) => seriesRows([curve], one));
  const format = (value: number): string => (scale === "percent" ? percent(value) : value.toFixed(3));
  const latest = (one: Series): string => {
    const value = rows.findLast((row) => row.series === one.label)?.value;
    return `${one.label}: ${value === undefined ? "none yet" : format(value)}`;
  };
  const figure = panelFigure({
    title: `${title}, ${curve.label}`,
    description: series.map(latest).join("; "),
    rows,
    by: "series",
    lines: series.map(({ label, short, color }) => ({ name: label, legend: label, short, color, dash: "" })),
    collapses: curve.overfitting === null ? [] : [{ epoch: curve.overfitting, color: "var(--alarm)", short: "" }],
    epochs: curve.epochs,
    y: { ...yScale(scale, rows, false, LEAST_TOP), label: null, ticks: 5 },
    bound: undefined,
    cursor: curve.at ?? undefined,
    width,
    height: PANEL_HEIGHT,
    letters: lettersHere(),
  });
  const tip = Plot.tip(
    rows,
    // However far the pointer is, the nearest point answers.
    Plot.pointer({
      x: "epoch",
      y: "value",
      maxRadius: Number.POSITIVE_INFINITY,
      // It is drawn anew for every place of the pointer, and is no part of the image's description.
      ariaHidden: "true",
      stroke: "series",
      // In ems: a telephone has room for half a panel beside a point.
      lineWidth: width < 400 ? 10 : 24,
      title: ({ series: name, epoch, value }: SeriesRow) => `${name}\nepoch ${epoch.toFixed(2)}: ${format(value)}`,
    }),
  );
  return drawFigure({ ...figure, marks: [...(figure.marks ?? []), tip] }, document);
}

/** The loss around an image from above. */
export function drawSurface(surface: Surface, width: number): Element {
  return drawFigure(surfaceFigure({ ...surface, across: surface.direction === "pgd" ? "PGD" : "random signs", width }), document);
}

/** The loss along FGSM's perturbation. */
export function drawSlice(surface: Surface, most: number, width: number): Element {
  return drawFigure(sliceFigure({ ...surface, most, width }), document);
}

/** Robust accuracy after so many images, with its interval. */
export function drawEstimate(points: readonly EstimatePoint[], images: number, width: number): Element {
  const last = points.at(-1);
  return drawFigure(
    {
      ariaLabel: "Robust accuracy, image by image",
      ariaDescription: last
        ? `After ${last.images} of ${images} images: ${percent(last.robust)}, 95 % interval ${percent(last.low)} to ${percent(last.high)}.`
        : "No image yet.",
      width,
      height: 160,
      marginLeft: 56,
      x: { domain: [0, images], label: "images" },
      y: { domain: [0, 1], label: null, ticks: 5, tickFormat: (value: number) => `${Math.round(100 * value)} %`, grid: true },
      marks: [
        Plot.areaY(points, { x: "images", y1: "low", y2: "high", fill: "var(--pgd)", fillOpacity: 0.18 }),
        Plot.lineY(points, { x: "images", y: "robust", stroke: "var(--pgd)", strokeWidth: 2 }),
        Plot.dot(last ? [last] : [], { x: "images", y: "robust", fill: "var(--pgd)", r: 3 }),
      ],
    },
    document,
  );
}
