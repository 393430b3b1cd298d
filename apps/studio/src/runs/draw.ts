/** @file The drawings of the page of runs: a quantity of many runs or groups over the epochs. Loaded when there is something to draw. */
import { drawFigure, needsLogScale, panelFigure, percent, runStyle, type SeriesRow, yScale } from "@gradalign/runs";
import * as Plot from "@observablehq/plot";
import type { Quantity } from "./address.ts";
import { type Group, lineOf } from "./aggregate.ts";

/** What a panel is drawn from. */
export interface Comparison {
  readonly quantity: Quantity;
  /** All groups; a hidden one keeps its colour. */
  readonly groups: readonly Group[];
  readonly hidden: readonly string[];
  readonly smoothing: number;
  readonly zoom: readonly [number, number] | null;
}

/** Height of a panel. */
export const PANEL_HEIGHT = 250;

/** The panel as an SVG of the given width, with a tooltip at whatever is nearest. */
export function drawComparison({ quantity, groups, hidden, smoothing, zoom }: Comparison, width: number): Element {
  const { label, group } = quantity;
  const shown = groups.flatMap((one, i) => (hidden.includes(one.name) ? [] : [{ ...one, i, color: runStyle(i).color, ...lineOf(one, quantity, smoothing) }]));
  const [from, to] = zoom ?? [0, Math.max(1, ...shown.flatMap(({ runs }) => runs.map(({ summary }) => summary.epochs)))];
  const isSeen = ({ epoch }: { readonly epoch: number }): boolean => epoch >= from && epoch <= to;
  const rows = shown.flatMap((one) => one.rows);
  const seen = rows.filter(isSeen);
  const bands = shown.flatMap((one) => one.bands);
  const reached = [...seen, ...bands.filter(isSeen).flatMap(({ epoch, low, high }) => [low, high].map((value) => ({ epoch, value, series: label, run: "" })))];
  const log = group.scale === "loss" && needsLogScale(seen);
  const format = (value: number): string => (group.scale === "percent" ? percent(value) : value.toPrecision(4));
  const runs = shown.flatMap((one) => one.runs.map(({ summary }) => ({ ...one, summary })));
  const figure = panelFigure({
    title: label,
    description: shown.map((one) => `${one.name}: ${one.rows.length > 0 ? format((one.rows.at(-1) as SeriesRow).value) : "none yet"}`).join("; "),
    rows,
    by: "run",
    lines: shown.map(({ name, i }) => ({ name, legend: name, short: String(i + 1), ...runStyle(i) })),
    bands,
    collapses: runs.flatMap(({ summary, color, i }) => (summary.overfitting ? [{ epoch: summary.overfitting.epoch, color, short: String(i + 1) }] : [])),
    alarms: runs.flatMap(({ summary, color }) =>
      summary.alarms.map(({ epoch, evidence, restored }) => ({
        epoch,
        color,
        words: `${summary.name}: alarm at epoch ${epoch.toFixed(1)}: ${evidence}${restored === null ? "" : `; the state of iteration ${restored} was restored`}`,
      })),
    ),
    from,
    epochs: to,
    y: { ...yScale(group.scale, reached, log), label: null, ticks: 5 },
    bound: undefined,
    width,
    height: PANEL_HEIGHT,
  });
  const tip = Plot.tip(
    seen,
    Plot.pointer({
      x: "epoch",
      y: "value",
      maxRadius: Number.POSITIVE_INFINITY,
      // It is drawn anew for every place of the pointer, and is no part of the image's description.
      ariaHidden: "true",
      stroke: "run",
      lineWidth: width < 400 ? 10 : 24,
      title: ({ run, epoch, value }: SeriesRow) => `${run}\nepoch ${epoch.toFixed(2)}: ${format(value)}`,
    }),
  );
  return drawFigure({ ...figure, marks: [...(figure.marks ?? []), tip] }, document);
}
