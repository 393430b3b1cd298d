/** @file The curves: one panel per quantity, one colour per run, drawn anew whenever there is something new. */

import { EVALUATION_PGD, type Evaluation } from "@gradalign/robustness";
import { attackName, percent } from "@gradalign/runs";
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

const PGD = attackName(EVALUATION_PGD);

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

interface Row {
  readonly epoch: number;
  readonly value: number;
  readonly label: string;
}

/** A quantity's latest value in words. */
export function latestValue({ key, scale }: Panel, evaluations: readonly Evaluation[]): string {
  const value = evaluations.at(-1)?.[key];
  if (value === undefined || value === null) return "–";
  return scale === "percent" ? percent(value) : value.toFixed(2);
}

/** One panel as an SVG of the given width. */
export function drawPanel(panel: Panel, curves: readonly Curve[], width: number): Element {
  const rows = curves.flatMap(({ label, evaluations }) =>
    evaluations.flatMap((evaluation): Row[] => {
      const value = evaluation[panel.key];
      return value !== null && Number.isFinite(value) ? [{ epoch: evaluation.epoch, value, label }] : [];
    }),
  );
  const epochs = Math.max(1, ...curves.map((curve) => curve.epochs));
  const collapses = curves.filter((curve) => curve.overfitting !== null);
  const format = (value: number): string => (panel.scale === "percent" ? percent(value) : value.toFixed(3));
  const svg = Plot.plot({
    ariaLabel: panel.title,
    ariaDescription: curves.map((curve) => `${curve.label}: ${latestValue(panel, curve.evaluations)}`).join("; "),
    width,
    height: width < 400 ? 190 : 230,
    marginTop: 22,
    marginLeft: 44,
    marginRight: 12,
    marginBottom: 36,
    x: { label: "epoch", labelOffset: 32, domain: [0, epochs], ticks: Math.min(epochs, width / 70) },
    y: { ...yScale(panel, rows), grid: true, label: null, ticks: 5 },
    color: { domain: curves.map((curve) => curve.label), range: curves.map((curve) => curve.color) },
    marks: [
      Plot.frame({ stroke: "var(--line)", anchor: "bottom" }),
      ...collapses.flatMap((curve) => collapseMarks(curve, epochs)),
      Plot.lineY(rows, { x: "epoch", y: "value", z: "label", stroke: "label", strokeWidth: 1.8, strokeLinejoin: "round" }),
      ...(rows.length <= 40 * curves.length ? [Plot.dot(rows, { x: "epoch", y: "value", fill: "label", r: 2 })] : []),
      Plot.tip(
        rows,
        // However far the pointer is, the nearest point answers.
        Plot.pointer({
          x: "epoch",
          y: "value",
          maxRadius: Number.POSITIVE_INFINITY,
          stroke: "label",
          // In ems: a telephone has room for half a panel beside a point.
          lineWidth: width < 400 ? 10 : 24,
          title: (row: Row) => `${row.label}\nepoch ${row.epoch.toFixed(2)}: ${format(row.value)}`,
        }),
      ),
    ],
  });
  svg.setAttribute("role", "img");
  return svg;
}

function yScale({ scale }: Panel, rows: readonly Row[]): Plot.ScaleOptions {
  const values = rows.map((row) => row.value);
  if (scale === "cosine") return { domain: [Math.min(0, ...values), 1] };
  const top = Math.min(100, Math.ceil(Math.max(0.3, ...values) * 10 + 0.2) * 10);
  return { domain: [0, top], percent: true, tickFormat: (value: number) => `${value} %` };
}

function collapseMarks({ color, overfitting }: Curve, epochs: number): Plot.Markish[] {
  const x = overfitting as number;
  const left = x > epochs * 0.6;
  return [
    Plot.ruleX([x], { stroke: color, strokeDasharray: "5,3", strokeWidth: 1.4 }),
    Plot.text([x], {
      x: (value: number) => value,
      text: (value: number) => `overfits, epoch ${value.toFixed(1)}`,
      frameAnchor: "top",
      textAnchor: left ? "end" : "start",
      lineAnchor: "bottom",
      dx: left ? 4 : -4,
      dy: -5,
      fill: color,
    }),
  ];
}
