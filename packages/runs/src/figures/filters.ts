/**
 * @file The first-layer filters of a `cnn` as images, after figure 5 of the paper.
 *
 * One panel per filter: a row per checkpoint, a column per colour channel, on a diverging scale that all panels share, so
 * that a filter which grew looks stronger.
 */
import * as Plot from "@observablehq/plot";
import type { FilterSnapshot, ReportRun } from "../run/run-data.ts";
import type { FigureOptions } from "./draw.ts";

/** One filter. */
export interface FilterPanel {
  readonly title: string;
  readonly caption: string;
  readonly options: FigureOptions;
}

/** All filters of a run with the scale they share. */
export interface FilterGallery {
  readonly panels: readonly FilterPanel[];
  /** The colour scale. */
  readonly legend: FigureOptions;
}

interface Weight {
  readonly row: string;
  readonly channel: string;
  readonly x: number;
  readonly y: number;
  readonly value: number;
}

/** More than this many say no more; the ones with the largest weights are shown. */
const MAX_PANELS = 16;
const RGB: readonly string[] = ["red", "green", "blue"];
const CELL = 14;

/** Which filter carries the single-layer network: the one with the largest product of its norm and its outgoing weights' norm; -1 where all are 0. */
export function grownFilter({ norms, outgoing }: { readonly norms: readonly number[]; readonly outgoing: readonly number[] }): number {
  const products = norms.map((norm, i) => norm * (outgoing[i] as number));
  const most = Math.max(...products);
  return most > 0 ? products.indexOf(most) : -1;
}

/** The largest absolute weight in the filters of some runs: the end of the scale they share. */
export function largestWeight(runs: readonly ReportRun[]): number {
  const snapshots = runs.flatMap((run) => run.filters);
  return snapshots.reduce((most, { weights }) => weights.reduce((largest, weight) => Math.max(largest, Math.abs(weight)), most), 0);
}

/**
 * The filters as figures; undefined when the run has none that can be shown.
 *
 * @param largest weight at the end of the colour scale.
 */
export function filterGallery(run: ReportRun, largest: number): FilterGallery | undefined {
  const [first] = run.filters;
  if (first === undefined || first.shape[1] !== RGB.length) return undefined;
  const last = run.filters.at(-1) as FilterSnapshot;
  const order = Array.from({ length: first.shape[0] }, (_, i) => i);
  if (order.length > MAX_PANELS) order.sort((a, b) => norm(last, b) - norm(last, a)).length = MAX_PANELS;
  const domain: [number, number] = [-largest, largest];
  return {
    panels: order.map((filter) => ({
      title: `w${filter + 1}`,
      caption: run.filters.map((snapshot) => `‖w‖ ${norm(snapshot, filter).toFixed(2)} (${snapshot.which})`).join(", "),
      options: filterFigure(run.filters, filter, domain),
    })),
    legend: scaleFigure(domain),
  };
}

function filterFigure(snapshots: readonly FilterSnapshot[], filter: number, domain: [number, number]): FigureOptions {
  const weights = snapshots.flatMap((snapshot) => filterWeights(snapshot, filter));
  const [, , height, width] = (snapshots[0] as FilterSnapshot).shape;
  const rows = snapshots.map(({ which }) => which);
  return {
    ariaLabel: `Filter w${filter + 1}`,
    ariaDescription: snapshots.map((snapshot) => `${snapshot.which}: ${describeWeights(snapshot, filter)}`).join(". "),
    width: 3 * width * CELL + 74,
    height: rows.length * (height * CELL + 8) + 30,
    marginLeft: 48,
    marginRight: 4,
    marginTop: 22,
    marginBottom: 4,
    x: { axis: null, padding: 0 },
    y: { axis: null, padding: 0 },
    fx: { domain: RGB, label: null, padding: 0.14, axis: "top" },
    fy: { domain: rows, label: null, padding: 0.1, axis: "left" },
    color: { type: "diverging", scheme: "RdBu", reverse: true, domain, symmetric: true },
    marks: [
      Plot.cell(weights, {
        fx: "channel",
        fy: "row",
        x: "x",
        y: "y",
        fill: "value",
        title: (weight: Weight) => `${weight.row}, ${weight.channel}, row ${weight.y + 1}, column ${weight.x + 1}: ${weight.value.toFixed(4)}`,
      }),
      Plot.frame({ stroke: "var(--line)" }),
    ],
  };
}

/** A strip of cells from the most negative to the most positive weight; Plot's own ramp needs a canvas. */
function scaleFigure(domain: [number, number]): FigureOptions {
  const steps = 60;
  const [low, high] = domain;
  const size = (high - low) / steps;
  const cells = Array.from({ length: steps }, (_, i) => ({ from: low + i * size, to: low + (i + 1) * size, value: low + (i + 0.5) * size }));
  return {
    ariaLabel: "Colour scale of the weights",
    ariaDescription: `Blue is negative, down to ${low.toFixed(2)}; red is positive, up to ${high.toFixed(2)}.`,
    width: 260,
    height: 52,
    marginTop: 2,
    marginBottom: 36,
    marginLeft: 12,
    marginRight: 12,
    x: { label: "weight", labelAnchor: "center", labelOffset: 30, labelArrow: "none", ticks: 5, domain },
    y: { axis: null },
    color: { type: "diverging", scheme: "RdBu", reverse: true, domain },
    marks: [Plot.rect(cells, { x1: "from", x2: "to", fill: "value", stroke: "value" })],
  };
}

function filterWeights(snapshot: FilterSnapshot, filter: number): Weight[] {
  const [, channels, height, width] = snapshot.shape;
  const weights: Weight[] = [];
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const value = snapshot.weights[((filter * channels + c) * height + y) * width + x] as number;
        weights.push({ row: snapshot.which, channel: RGB[c] as string, x, y, value });
      }
    }
  }
  return weights;
}

function norm(snapshot: FilterSnapshot, filter: number): number {
  return Math.hypot(...filterWeights(snapshot, filter).map((weight) => weight.value));
}

function describeWeights(snapshot: FilterSnapshot, filter: number): string {
  return RGB.map((channel) => {
    const values = filterWeights(snapshot, filter).filter((weight) => weight.channel === channel);
    return `${channel} ${values.map((weight) => weight.value.toFixed(2)).join(" ")}`;
  }).join(", ");
}
