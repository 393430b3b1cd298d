/** @file Robustness against the radius, one curve per method: what figures 1 and 8 and the tables of appendix D.3 share. */
import * as Plot from "@observablehq/plot";
import type { Comparison, Experiment, Figure, Scale, Table } from "../paper/experiment.ts";
import { type PaperCurve, paperPoint } from "../paper/numbers.ts";
import { FIGURE_SIZE, METHOD_COLORS, PERCENT_SCALE } from "./figure.ts";
import { attackedGrid, basisOf, collapseOf, divergedWords, type Outcome } from "./outcomes.ts";
import { type Cell, gridMethod, LAPTOP_RADII, RESNET_CHANGES, resnetTraining } from "./resnet-grid.ts";
import { deviation, mean, percent } from "./statistics.ts";

/** The six methods that the paper compares. */
export const COMPARED = ["fgsm", "fgsm-rs", "fgsm-gradalign", "free", "pgd-2", "pgd-10"] as const;

/** A data set of the comparison. */
export type Compared = "cifar10" | "svhn";

interface Grid {
  readonly eps: Readonly<Record<Compared, readonly number[]>>;
  readonly seeds: readonly number[];
  readonly methods: Readonly<Record<Compared, readonly string[]>>;
}

/** Of the six those that two cores train in hours, and N-FGSM, which is not the paper's: PGD-10 and AT for Free have many more passes. */
export const AFFORDABLE: readonly string[] = ["fgsm", "fgsm-rs", "n-fgsm", "fgsm-gradalign", "pgd-2"];

const upTo = (most: number): number[] => Array.from({ length: most }, (_, i) => i + 1);
const ALL = { cifar10: COMPARED, svhn: COMPARED };

/** Radii, seeds and methods at each scale. */
export const COMPARISON: Readonly<Record<Scale, Grid>> = {
  paper: { eps: { cifar10: upTo(16), svhn: upTo(12) }, seeds: [0, 1, 2, 3, 4], methods: ALL },
  laptop: { eps: { cifar10: LAPTOP_RADII, svhn: [] }, seeds: [0, 1], methods: { cifar10: AFFORDABLE, svhn: [] } },
  smoke: { eps: { cifar10: [8], svhn: [8] }, seeds: [0], methods: { cifar10: COMPARED, svhn: ["fgsm"] } },
};

/** What the laptop scale changes besides the network. */
export const COMPARISON_CHANGE = `Radii ${LAPTOP_RADII.join(" and ")} (of 255) instead of every one up to 16, two seeds instead of five. PGD-10 and AT for Free are left out, N-FGSM (not in the paper) is beside the others.`;

/** The grid of the comparison. */
export function comparisonCells(scale: Scale, datasets: readonly Compared[]): Cell[] {
  const { eps, seeds, methods } = COMPARISON[scale];
  return datasets.flatMap((dataset) =>
    methods[dataset].flatMap((method) => eps[dataset].flatMap((e) => seeds.map((seed) => ({ dataset, method, eps: e, seed })))),
  );
}

/** Grid, words and measurement of the experiments on CIFAR-10's last and best models. */
export const LAST_AND_BEST: Pick<Experiment, "defaultScale" | "changes" | "trainings" | "measure"> = {
  defaultScale: "laptop",
  changes: { paper: RESNET_CHANGES.paper, laptop: [...RESNET_CHANGES.laptop, COMPARISON_CHANGE], smoke: [...RESNET_CHANGES.smoke, "ε = 8/255 alone."] },
  ...attackedGrid(
    (scale) => comparisonCells(scale, ["cifar10"]),
    (scale, cell) => resnetTraining(scale, cell, ["last", "best"]),
  ),
};

/** The multi-step training that the others are measured by: PGD-10, or PGD-2 where that was not trained. */
export function reference(rows: readonly Outcome[]): { readonly key: string; readonly label: string } {
  return gridMethod(rows.some(({ method }) => method === "pgd-10") ? "pgd-10" : "pgd-2");
}

/** One quantity of a method's models at a radius, a number per seed. */
export function valuesAt(rows: readonly Outcome[], quantity: "clean" | "robust", eps: number): (method: string, model: "last" | "best") => number[] {
  return (method, model) => rows.filter((row) => row.model === model && row.method === method && row.eps === eps).map((row) => row[quantity]);
}

interface Point {
  readonly method: string;
  readonly eps: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

function pointsOf(rows: readonly Outcome[], quantity: "robust" | "clean"): Point[] {
  return [...new Set(rows.map(({ method }) => method))].flatMap((method) =>
    [...new Set(rows.filter((row) => row.method === method).map(({ eps }) => eps))].map((eps) => {
      const values = rows.filter((row) => row.method === method && row.eps === eps).map((row) => row[quantity]);
      const [center, spread] = [mean(values), deviation(values)];
      return { method: gridMethod(method).label, eps, value: center, low: Math.max(0, center - spread), high: Math.min(1, center + spread) };
    }),
  );
}

/** Mean ± standard deviation over seeds against the radius; clean accuracy dashed if asked for. */
export function robustnessFigure(
  rows: readonly Outcome[],
  { id, title, clean }: { readonly id: string; readonly title: string; readonly clean: boolean },
): Figure {
  const robust = pointsOf(rows, "robust");
  const methods = [...new Set(rows.map(({ method }) => method))];
  const names = methods.map((method) => gridMethod(method).label);
  const diverged = rows.filter((row) => row.diverged);
  const lines = (points: readonly Point[], extra: object) => [
    Plot.areaY(points, { x: "eps", y1: "low", y2: "high", z: "method", fill: "method", fillOpacity: 0.15 }),
    Plot.lineY(points, { x: "eps", y: "value", z: "method", stroke: "method", strokeWidth: 1.8, ...extra }),
    Plot.dot(points, { x: "eps", y: "value", fill: "method", r: 2.6 }),
  ];
  return {
    id,
    title,
    caption: `${basisOf(rows.slice(0, 1)).replace(/, ε = .*$/, "")}, n = ${rows[0]?.n}, trained and attacked with the same radius; mean ± standard deviation over seeds.${clean ? " Dashed: clean accuracy." : ""}${divergedWords(rows)}${diverged.length > 0 ? " Crosses are means with such runs." : ""}`,
    options: {
      ...FIGURE_SIZE,
      height: 340,
      ariaLabel: title,
      ariaDescription: names
        .map(
          (name) =>
            `${name}: ${robust
              .filter((p) => p.method === name)
              .map((p) => `${percent(p.value)} at ${p.eps}/255`)
              .join(", ")}`,
        )
        .join("; "),
      x: { label: "ε (1/255)", tickFormat: (value: number) => String(value) },
      y: { label: "accuracy", ...PERCENT_SCALE, domain: [0, 100], grid: true },
      color: { domain: names, range: methods.map((method) => METHOD_COLORS[method] as string), legend: true },
      marks: [
        ...lines(robust, {}),
        Plot.dot(
          robust.filter(({ method, eps }) => diverged.some((row) => gridMethod(row.method).label === method && row.eps === eps)),
          {
            x: "eps",
            y: "value",
            stroke: "method",
            symbol: "times",
            r: 6,
            strokeWidth: 2,
          },
        ),
        ...(clean ? lines(pointsOf(rows, "clean"), { strokeDasharray: "4,3" }) : []),
      ],
    },
  };
}

/** All numbers of the comparison. */
export function robustnessTable(rows: readonly Outcome[], title: string): Table {
  return {
    title,
    columns: ["method", "ε", "model", "seeds", "clean", "under attack", "overfitted"],
    rows: [...new Set(rows.map((row) => `${row.method} ${row.eps} ${row.model}`))].map((key) => {
      const own = rows.filter((row) => `${row.method} ${row.eps} ${row.model}` === key);
      const [first] = own as [Outcome];
      const collapsed = own.filter((row) => row.overfitting_epoch !== null || row.diverged);
      return [
        gridMethod(first.method).label,
        first.epsilon,
        first.model,
        own.length,
        percent(own.map((row) => row.clean)),
        percent(own.map((row) => row.robust)),
        collapsed.length === 0
          ? "none"
          : `${collapsed.length} of ${own.length}, ${collapsed.map((row) => (row.diverged ? "diverged" : `epoch ${collapseOf(row)}`)).join(", ")}`,
      ];
    }),
  };
}

/** Our numbers beside the points of the paper's curves. */
export function curveComparisons(rows: readonly Outcome[], scale: Scale, quantities: readonly PaperCurve["quantity"][]): Comparison[] {
  const keys = [...new Set(rows.map((row) => `${row.dataset} ${row.method} ${row.eps} ${row.model}`))];
  return keys.flatMap((key) => {
    const own = rows.filter((row) => `${row.dataset} ${row.method} ${row.eps} ${row.model}` === key);
    const [first] = own as [Outcome];
    return quantities.flatMap((quantity) => {
      const paper = paperPoint(first.dataset, first.method, first.model === "best" ? "early" : "none", quantity, first.eps);
      if (!paper) return [];
      const values = own.map((row) => (quantity === "clean" ? row.clean : row.robust));
      return [
        {
          quantity: `${first.dataset}, ${gridMethod(first.method).label}, ε = ${first.epsilon}, ${first.model} model, ${quantity === "clean" ? "clean" : "under attack"}`,
          paper,
          ours: percent(values),
          basis: basisOf(own),
          agrees: scale === "paper" ? Math.abs(100 * mean(values) - paper.value) < 3 : null,
        },
      ];
    });
  });
}
