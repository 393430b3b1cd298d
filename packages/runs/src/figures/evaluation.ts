/** @file The figures of an evaluation: what each attack left, accuracy at smaller and larger radii, and classes. */
import * as Plot from "@observablehq/plot";
import { epsilonOf, fractionText } from "../evaluation/fraction.ts";
import type { EvaluationRecord } from "../evaluation/record.ts";
import { boundsBelow, type ClassOutcome, className, distanceText, normName, type WaterfallStep, waterfall } from "../evaluation/summary.ts";
import { percent } from "../words/format.ts";
import { percentAxis } from "./curves.ts";
import type { FigureOptions } from "./draw.ts";
import { type LineStyle, runStyle } from "./series.ts";

/** Width of a figure, height of a row of few and of many bars, and a letter's width where it is largest, on a telephone. */
const [WIDTH, ROWS, LETTER] = [520, [34, 46], 8] as const;
/** Height that few bars fill. */
const FILLED = 230;
/** Letters of a bar's name before it is cut, and radii at which the bound is drawn. */
const [LONGEST_NAME, RADII] = [18, 256];

/** A bar: what is left of what was there before, with its name and what stands beside it. */
interface Bar {
  readonly name: string;
  readonly before: number;
  readonly left: number;
  readonly interval: readonly [low: number, high: number];
  readonly words: string;
  readonly title: string;
}

/** What is answered rightly as it is, and after each attack of the list. */
export function waterfallFigure(record: EvaluationRecord): FigureOptions {
  const steps = waterfall(record);
  return barFigure(
    steps.map(({ stage, left }, i) => ({
      name: stage?.attack ?? "no attack",
      before: (steps[i - 1] ?? (steps[0] as WaterfallStep)).left.share,
      left: left.share,
      interval: left.interval,
      words: stage ? `${percent(left.share)}, broke ${stage.broken}` : percent(left.share),
      title: stage
        ? `${stage.attack} broke ${stage.broken} of ${stage.attacked} images; ${left.count} are left`
        : `${left.count} of ${left.of} images are answered rightly`,
    })),
    "Accuracy after each attack",
    [record],
  );
}

/** What is answered rightly of each class, as it is and after all attacks; more than `most` classes are those whose robust accuracy is least. */
export function classFigure(record: EvaluationRecord, classes: readonly ClassOutcome[], most: number): FigureOptions {
  const shown = classes.length <= most ? classes : [...classes].sort((a, b) => a.robust.share - b.robust.share || a.label - b.label).slice(0, most);
  return barFigure(
    shown.map(({ label, clean, robust }) => ({
      name: className(record, label),
      before: clean.share,
      left: robust.share,
      interval: robust.interval,
      words: percent(robust.share),
      title: `${className(record, label)}: ${robust.count} of ${robust.of} images stand, ${clean.count} are answered rightly as they are`,
    })),
    "Accuracy of each class under attack",
    [record],
  );
}

/** Horizontal bars: what is left is filled, what was lost is pale, the interval a line. */
function barFigure(bars: readonly Bar[], title: string, records: readonly EvaluationRecord[]): FigureOptions {
  const rows = bars.map((bar, at) => ({ ...bar, at }));
  const high = ({ before, interval }: Bar): number => Math.max(before, interval[1]);
  const names = bars.map(({ name }) => clipped(name));
  const words = Math.max(...bars.map((bar) => bar.words.length));
  return {
    ariaLabel: title,
    ariaDescription: `${bars.map(({ name, words: said }) => `${name}: ${said}`).join("; ")}. ${records.map(described).join("; ")}.`,
    width: WIDTH,
    height: Math.max(ROWS[0] * bars.length, Math.min(FILLED, ROWS[1] * bars.length)) + 52,
    marginTop: 6,
    marginBottom: 46,
    marginLeft: 14 + LETTER * Math.max(6, ...names.map((name) => name.length)),
    marginRight: 12 + LETTER * words,
    x: { ...percentAxis(Math.max(...bars.map(high))), label: "accuracy", labelAnchor: "center", labelArrow: "none", labelOffset: 40, grid: true },
    y: { type: "band", domain: rows.map(({ at }) => at), tickFormat: (at: number) => names[at] ?? "", label: null, tickSize: 0, padding: 0.28 },
    marks: [
      Plot.barX(rows, { y: "at", x1: 0, x2: "left", fill: "var(--pgd)", title: "title" }),
      Plot.barX(rows, { y: "at", x1: "left", x2: "before", fill: "var(--alarm)", fillOpacity: 0.3, title: "title" }),
      Plot.ruleY(rows, { y: "at", x1: ({ interval }: Bar) => interval[0], x2: ({ interval }: Bar) => interval[1], stroke: "var(--text)" }),
      Plot.text(rows, { y: "at", x: high, text: "words", textAnchor: "start", dx: 6, fill: "currentColor" }),
      Plot.ruleX([0], { stroke: "var(--muted)" }),
    ],
  };
}

/** A line over the radii of a norm: its name in the legend, its points, and whether it stays until the next one. */
export interface RadiusLine extends LineStyle {
  readonly name: string;
  readonly norm: string;
  readonly steps: boolean;
  readonly points: readonly { readonly epsilon: number; readonly accuracy: number }[];
}

/** An evaluation and what it is called beside others. */
export interface LabelledRecord {
  readonly label: string;
  readonly record: EvaluationRecord;
}

/** The lines of an evaluation: bounds from what was found, and the points that were computed, by attack. */
export function radiusLines(record: EvaluationRecord): RadiusLine[] {
  const { norm } = record.threat;
  const computed = [...new Set(record.curve.map(({ attack }) => attack))].map((attack) => ({
    name: attack,
    norm,
    steps: false,
    points: record.curve.filter((point) => point.attack === attack).sort((a, b) => a.epsilon - b.epsilon),
  }));
  const found = { name: "bound", norm, steps: true, points: boundsBelow(record, RADII), color: "var(--pgd)", dash: "" };
  return [found, ...computed.map((line, i) => ({ ...line, color: `var(--run-${1 + ((i * 2) % 8)})`, dash: "6,3" }))];
}

/** The lines of several evaluations, two each where points were computed. */
export function comparedLines(reports: readonly LabelledRecord[]): RadiusLine[] {
  return reports.flatMap(({ label, record }, i) =>
    radiusLines(record).map((line, k) => ({ ...line, name: k === 0 ? label : `${label}, ${line.name}`, ...runStyle(i), ...(k > 0 ? { dash: "2,2" } : {}) })),
  );
}

/** Where radii beyond ε are so much larger that only a logarithmic axis shows both; it begins at a share of ε. */
const [FAR, NEAR] = [4, 1 / 32];

/** Accuracy against the radius, all in one norm. */
export function radiusFigure(lines: readonly RadiusLine[], records: readonly EvaluationRecord[], title: string): FigureOptions {
  const [{ threat }] = records as readonly [EvaluationRecord];
  const unit = threat.norm === "linf" ? 255 : 1;
  const radii = [...new Set(records.map((record) => epsilonOf(record.threat.epsilon)))];
  const all = lines.flatMap((line) => line.points);
  const most = Math.max(...all.map(({ epsilon }) => epsilon)) || 1 / unit;
  const balls = radii.filter((radius) => radius > 0);
  const log = balls.length > 0 && most > FAR * Math.max(...balls);
  const least = log ? NEAR * Math.min(...balls) : 0;
  const rows = lines.map(({ name, points }) =>
    points.filter(({ epsilon }) => epsilon >= least).map(({ epsilon, accuracy }) => ({ epsilon: unit * epsilon, accuracy, line: name })),
  );
  const axis = threat.norm === "linf" ? "ε × 255" : "ε";
  return {
    ariaLabel: title,
    ariaDescription: `${lines
      .map(({ name, points }) => `${name}: ${points.length === 0 ? "no points" : `from ${at(threat.norm, points[0])} to ${at(threat.norm, points.at(-1))}`}`)
      .join("; ")}. ${records.map(described).join("; ")}.`,
    width: WIDTH,
    height: 312,
    marginTop: 34,
    marginLeft: 54,
    marginRight: 20,
    marginBottom: 42,
    x: { label: axis, labelOffset: 38, domain: [unit * least, unit * most], nice: false, ...(log ? { type: "log", base: 2, ticks: 8, tickFormat: "~r" } : {}) },
    y: { ...percentAxis(Math.max(...all.map(({ accuracy }) => accuracy))), label: "accuracy", grid: true },
    color: { domain: lines.map(({ name }) => name), range: lines.map(({ color }) => color) },
    marks: [
      Plot.frame({ stroke: "var(--line)", anchor: "bottom" }),
      Plot.ruleX(radii, { x: (radius: number) => unit * radius, stroke: "var(--muted)", strokeDasharray: "1,3" }),
      ...lines.map((line, i) =>
        Plot.lineY(rows[i], {
          x: "epsilon",
          y: "accuracy",
          z: "line",
          stroke: "line",
          ariaLabel: "line",
          strokeWidth: 1.8,
          curve: line.steps ? "step-after" : "linear",
          ...(line.dash === "" ? {} : { strokeDasharray: line.dash }),
        }),
      ),
      ...lines.flatMap((line, i) => (line.steps ? [] : [Plot.dot(rows[i], { x: "epsilon", y: "accuracy", fill: "line", r: 2.6 })])),
    ],
  };
}

function at(norm: string, point: { readonly epsilon: number; readonly accuracy: number } | undefined): string {
  return point ? `${percent(point.accuracy)} at ${distanceText(norm, point.epsilon)}` : "";
}

function described({ attack, threat }: EvaluationRecord): string {
  return `${attack}, ${normName(threat.norm)}, ε = ${fractionText(threat.epsilon)}`;
}

function clipped(name: string): string {
  // Long names often differ at their ends only.
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 7)}…${name.slice(-6)}` : name;
}
