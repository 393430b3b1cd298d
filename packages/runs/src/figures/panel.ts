/** @file One panel of a figure: lines over the epochs, told apart by colour, dash and a label at their ends. */
import * as Plot from "@observablehq/plot";
import type { FigureOptions } from "./draw.ts";
import type { LineStyle, SeriesRow } from "./series.ts";

/** A line of a panel: its name among the rows, how it looks, and what stands in the legend and at its end. */
export interface Line extends LineStyle {
  readonly name: string;
  readonly legend: string;
  readonly short: string;
}

/** A vertical line where a run overfitted. */
export interface Collapse {
  readonly epoch: number;
  readonly color: string;
  /** What stands above it if there are several. */
  readonly short: string;
}

/** An alarm of a run's guard: a mark at the top, with words for whoever points at it. */
export interface AlarmMark {
  readonly epoch: number;
  readonly color: string;
  readonly words: string;
}

/** A point of a band around the line of that name. */
export interface Band {
  readonly name: string;
  readonly epoch: number;
  readonly low: number;
  readonly high: number;
}

/** What a panel is drawn from. */
export interface PanelOptions {
  readonly title: string;
  readonly description: string;
  readonly rows: readonly SeriesRow[];
  /** Which of a row's names tells lines apart. */
  readonly by: "series" | "run";
  readonly lines: readonly Line[];
  readonly collapses: readonly Collapse[];
  /** Alarms of a guard. */
  readonly alarms?: readonly AlarmMark[];
  /** Around lines: how far values spread. */
  readonly bands?: readonly Band[];
  /** Where the epochs' axis begins, 0 unless set; lines end there. */
  readonly from?: number | undefined;
  /** Where the epochs' axis ends. */
  readonly epochs: number;
  readonly y: Plot.ScaleOptions;
  /** A dotted horizontal line. */
  readonly bound: number | undefined;
  /** An epoch that is pointed at by a line from top to bottom. */
  readonly cursor?: number | undefined;
  readonly width: number;
  /** As in reports unless set. */
  readonly height?: number;
  /** Size of its letters in pixels, as in reports unless set: labels at the ends of lines need so much room. */
  readonly letters?: number;
}

/** More lines than this cannot have a label each. */
const MOST_LABELS = 24;
/** Points are marked where lines have no more of them than this. */
const FEW_POINTS = 40;
const [HEIGHT, MARGIN_TOP, MARGIN_BOTTOM] = [312, 34, 42];
/** Size of letters, and a letter's width as a share of it, at most. */
const [LETTERS, LETTER] = [11, 7 / 11];

/** The panel as a figure. */
export function panelFigure(options: PanelOptions): FigureOptions {
  const {
    title,
    description,
    rows,
    by,
    lines,
    collapses,
    alarms = [],
    bands = [],
    from = 0,
    epochs,
    y,
    bound,
    cursor,
    width,
    height = HEIGHT,
    letters = LETTERS,
  } = options;
  const isSeen = ({ epoch }: { readonly epoch: number }): boolean => epoch >= from && epoch <= epochs;
  const clip = from > 0 || rows.some(({ epoch }) => epoch > epochs);
  const present = lines.filter((line) => rows.some((row) => row[by] === line.name));
  const labels = present.length > 1 && present.length <= MOST_LABELS ? present.filter(({ short }) => short !== "") : [];
  const ends = labels.flatMap(({ name, short }) => {
    const end = rows.findLast((row) => row[by] === name && isSeen(row));
    return end ? [{ ...end, short }] : [];
  });
  const dashes = [...new Set(present.map(({ dash }) => dash))];
  const drawn = (line: Line): readonly SeriesRow[] => rows.filter((row) => row[by] === line.name);
  return {
    ariaLabel: title,
    ariaDescription: description,
    width,
    height,
    marginTop: MARGIN_TOP,
    marginLeft: 50,
    marginRight: 12 + Math.ceil(letters * LETTER * Math.max(0, ...labels.map(({ short }) => short.length))),
    marginBottom: MARGIN_BOTTOM,
    x: { label: "epoch", labelOffset: 38, domain: [from, epochs], nice: false },
    y: { ...y, grid: true },
    color: { domain: present.map(({ name }) => name), range: present.map(({ color }) => color) },
    marks: [
      Plot.frame({ stroke: "var(--line)", anchor: "bottom" }),
      ...(bound === undefined ? [] : [Plot.ruleY([bound], { stroke: "var(--muted)", strokeDasharray: "1,3" })]),
      ...(cursor === undefined ? [] : [Plot.ruleX([cursor], { stroke: "var(--text)", strokeOpacity: 0.6 })]),
      ...collapses.filter(isSeen).flatMap((collapse) => collapseMarks(collapse, collapses.length === 1, from, epochs)),
      ...alarms.filter(isSeen).flatMap(alarmMarks),
      ...(bands.length === 0
        ? []
        : [Plot.areaY(bands, { x: "epoch", y1: "low", y2: "high", z: "name", fill: "name", fillOpacity: 0.16, ariaLabel: "name", clip: true })]),
      ...dashes.map((dash) =>
        Plot.lineY(present.filter((line) => line.dash === dash).flatMap(drawn), {
          x: "epoch",
          y: "value",
          z: by,
          stroke: by,
          ariaLabel: by,
          strokeWidth: 1.8,
          strokeLinejoin: "round",
          clip,
          ...(dash === "" ? {} : { strokeDasharray: dash }),
        }),
      ),
      // A run of few evaluations would otherwise be a line between unmarked points.
      ...(rows.length <= FEW_POINTS * present.length ? [Plot.dot(rows, { x: "epoch", y: "value", fill: by, r: 2.2, clip })] : []),
      ...(ends.length > 0 ? [endLabels(ends, by, height, letters)] : []),
    ],
  };
}

/** A word at the end of each line, moved apart where they would lie on each other. */
function endLabels(ends: readonly (SeriesRow & { short: string })[], by: "series" | "run", height: number, letters: number): Plot.Markish {
  const options: Plot.TextOptions = { x: "epoch", y: "value", text: "short", fill: by, textAnchor: "start", dx: 5, fontWeight: 600 };
  return Plot.text(
    ends,
    Plot.initializer(options, (data, facets, _channels, scales) => {
      const [x, y] = [scales.x, scales.y] as readonly ((value: number) => number)[] as [(value: number) => number, (value: number) => number];
      const at = ends.map(({ value }) => y(scales.scales.y?.percent ? 100 * value : value));
      const across = ends.map(({ epoch }) => x(epoch));
      // Lines that end elsewhere are in nobody's way.
      for (const some of neighbours(across, 2 * LETTER * letters)) {
        const apart = spread(
          some.map((i) => at[i] as number),
          letters,
          [MARGIN_TOP, height - MARGIN_BOTTOM],
        );
        for (const [j, i] of some.entries()) at[i] = apart[j] as number;
      }
      return { data, facets, channels: { y: { value: at } } };
    }),
  );
}

/** The indices of positions, group by group of those that are no further than `reach` from the next. */
function neighbours(positions: readonly number[], reach: number): number[][] {
  const groups: number[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const i of positions.map((_, index) => index).sort((a, b) => (positions[a] as number) - (positions[b] as number))) {
    const position = positions[i] as number;
    if (position - last > reach) groups.push([]);
    groups.at(-1)?.push(i);
    last = position;
  }
  return groups;
}

/** Positions between two bounds at least a gap apart (less, if there is no room), in the same order, each near where it was. */
export function spread(positions: readonly number[], gap: number, [low, high]: readonly [number, number]): number[] {
  const step = Math.min(gap, (high - low) / positions.length);
  const order = positions.map((_, i) => i).sort((a, b) => (positions[a] as number) - (positions[b] as number));
  const moved = [...positions];
  let least = low;
  for (const i of order) {
    moved[i] = Math.max(moved[i] as number, least);
    least = (moved[i] as number) + step;
  }
  let most = high;
  for (const i of order.toReversed()) {
    moved[i] = Math.min(moved[i] as number, most);
    most = (moved[i] as number) - step;
  }
  return moved;
}

function collapseMarks({ epoch, color, short }: Collapse, alone: boolean, from: number, epochs: number): Plot.Markish[] {
  const left = epoch > from + (epochs - from) * 0.6;
  return [
    Plot.ruleX([epoch], { stroke: color, strokeDasharray: "5,3", strokeWidth: 1.4 }),
    Plot.text([epoch], {
      x: (value: number) => value,
      text: () => (alone ? `overfits, epoch ${epoch.toFixed(1)}` : short),
      frameAnchor: "top",
      textAnchor: alone ? (left ? "end" : "start") : "middle",
      lineAnchor: "bottom",
      dx: alone ? (left ? 4 : -4) : 0,
      dy: -4,
      fill: color,
    }),
  ];
}

function alarmMarks({ epoch, color, words }: AlarmMark): Plot.Markish[] {
  return [
    Plot.ruleX([epoch], { stroke: color, strokeDasharray: "1,3", strokeWidth: 1.4 }),
    Plot.dot([epoch], { x: (value: number) => value, frameAnchor: "top", symbol: "triangle", r: 4.5, fill: color, title: () => words }),
  ];
}
