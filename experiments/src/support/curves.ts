/** @file Curves over the epochs of training, with the moment of catastrophic overfitting marked. */

import type { Evaluation } from "@gradalign/robustness";
import * as Plot from "@observablehq/plot";
import type { Figure } from "../paper/experiment.ts";
import { FIGURE_SIZE, PERCENT_SCALE } from "./figure.ts";

/** A point of a curve. */
export interface CurvePoint {
  readonly epoch: number;
  readonly value: number;
  readonly series: string;
}

/** How {@link curveFigure} draws. */
export interface CurveOptions {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly axis: string;
  readonly points: readonly CurvePoint[];
  /** Colour of each series, in the order of the legend. */
  readonly colors: Readonly<Record<string, string>>;
  readonly scale: "percent" | "cosine" | "loss" | "linear";
  /** Epochs of catastrophic overfitting to mark. */
  readonly collapses?: readonly { readonly epoch: number; readonly color?: string }[];
  /** Epochs at which the training changes, to mark. */
  readonly changes?: readonly number[];
}

/** Draws curves. */
export function curveFigure({ id, title, caption, axis, points, colors, scale, collapses = [], changes = [] }: CurveOptions): Figure {
  const finite = points.filter(({ value }) => Number.isFinite(value) && !(scale === "loss" && value <= 0));
  const values = finite.map(({ value }) => value);
  const last = Math.max(1, ...finite.map(({ epoch }) => epoch));
  const names = Object.keys(colors).filter((name) => finite.some(({ series }) => series === name));
  const log = scale === "loss" && Math.max(...values) > 20 * Math.min(...values);
  const ends = names.map((name) => {
    const own = finite.filter(({ series }) => series === name);
    return `${name} from ${format(own[0]?.value, scale)} to ${format(own.at(-1)?.value, scale)}`;
  });
  return {
    id,
    title,
    caption,
    options: {
      ...FIGURE_SIZE,
      ariaLabel: title,
      ariaDescription: `Over the epochs: ${ends.join(", ")}. ${collapses.length > 0 ? `Catastrophic overfitting at epoch ${collapses.map(({ epoch }) => epoch.toFixed(1)).join(", ")}.` : ""}`,
      x: { label: "epoch", domain: [0, last] },
      y: {
        label: log ? `${axis} (log)` : axis,
        grid: true,
        ...(scale === "percent"
          ? { ...PERCENT_SCALE, domain: [0, Math.min(100, 10 * Math.ceil(10 * Math.max(0.1, ...values) + 0.1))] }
          : scale === "cosine"
            ? { domain: [Math.min(0, ...values), 1] }
            : log
              ? { type: "log" as const, ticks: 5, tickFormat: "~g" }
              : { zero: true, nice: true, ticks: 6 }),
      },
      color: { domain: names, range: names.map((name) => colors[name] as string), legend: names.length > 1 },
      marks: [
        Plot.frame({ stroke: "var(--line)", anchor: "bottom" }),
        ...(changes.length > 0 ? [Plot.ruleX(changes, { stroke: "var(--muted)", strokeDasharray: "4,3" })] : []),
        Plot.lineY(finite, { x: "epoch", y: "value", stroke: "series", strokeWidth: 1.7, strokeLinejoin: "round" }),
        ...(finite.length <= 40 * Math.max(1, names.length) ? [Plot.dot(finite, { x: "epoch", y: "value", fill: "series", r: 2 })] : []),
        ...collapses.map(({ epoch, color = "var(--alarm)" }) => Plot.ruleX([epoch], { stroke: color, strokeDasharray: "5,3", strokeWidth: 1.3 })),
      ],
    },
  };
}

/** One quantity of some evaluations as a curve; what was not measured is left out. */
export function curveOf(evaluations: readonly Evaluation[], key: keyof Evaluation, series: string): CurvePoint[] {
  return evaluations.flatMap((evaluation) => {
    const value = evaluation[key];
    return typeof value === "number" ? [{ epoch: evaluation.epoch, value, series }] : [];
  });
}

function format(value: number | undefined, scale: CurveOptions["scale"]): string {
  if (value === undefined) return "–";
  return scale === "percent" ? `${(100 * value).toFixed(1)} %` : value.toPrecision(3);
}
