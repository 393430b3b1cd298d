/** @file Curves of runs as they are compared: smoothed, and averaged over the runs of a group. Pure. */
import type { Evaluation } from "@gradalign/robustness";
import { type Band, type RunSummary, type Series, type SeriesRow, seriesRows, spread } from "@gradalign/runs";

/** A run with its evaluations, as far as they have come. */
export interface LoadedRun {
  readonly summary: RunSummary;
  readonly evaluations: readonly Evaluation[];
}

/** What a line shows: one run, or the mean of several. */
export interface Group {
  readonly name: string;
  readonly runs: readonly LoadedRun[];
}

/** How runs are grouped: each by itself, by all settings but the seed, or by one setting. */
export type Grouping = "run" | "seeds" | `by ${string}`;

/**
 * Exponential smoothing that does not lean towards the first values: the weights of the values so far are divided by their sum.
 *
 * @param weight of what was before, in [0, 1); 0 leaves the values as they are.
 */
export function smoothed(rows: readonly SeriesRow[], weight: number): SeriesRow[] {
  let [sum, weights] = [0, 0];
  return rows.map((row) => {
    sum = weight * sum + row.value;
    weights = weight * weights + 1;
    return { ...row, value: sum / weights };
  });
}

/** The settings that not all of the runs have the same value of, in order of their first appearance; a run without one has none. */
export function differingSettings(runs: readonly Pick<RunSummary, "settings">[]): string[] {
  const names = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
  return names.filter((name) => new Set(runs.map(({ settings }) => settings[name])).size > 1);
}

/** The settings besides the seed that tell runs apart: what follows from another of them, as a model's own defaults from the model, is left out. */
export function tellingSettings(runs: readonly Pick<RunSummary, "settings">[]): string[] {
  const names = differingSettings(runs).filter((name) => name !== "seed");
  const valuesOf = (given: readonly string[]): number => new Set(runs.map(({ settings }) => JSON.stringify(given.map((name) => settings[name] ?? null)))).size;
  const follows = (name: string, from: string): boolean => valuesOf([from, name]) === valuesOf([from]);
  // Of those that follow from each other the first stays.
  return names.reduceRight<string[]>(
    (left, name) => (left.some((other) => other !== name && follows(name, other)) ? left.filter((other) => other !== name) : left),
    names,
  );
}

/** The groups of runs, in order of their first run, each named by what tells it from the others. */
export function groupsOf(runs: readonly LoadedRun[], grouping: Grouping): Group[] {
  if (grouping === "run") return runs.map((run) => ({ name: run.summary.name, runs: [run] }));
  const names = grouping === "seeds" ? tellingSettings(runs.map(({ summary }) => summary)) : [grouping.slice("by ".length)];
  const groups = new Map<string, LoadedRun[]>();
  for (const run of runs) {
    const name = names.map((one) => `${one} ${run.summary.settings[one] ?? "none"}`).join(", ") || "all runs";
    const group = groups.get(name);
    if (group) group.push(run);
    else groups.set(name, [run]);
  }
  return [...groups].map(([name, own]) => ({ name, runs: own }));
}

/** A quantity's line of a group; `run` of its rows is the group's name. */
export function lineOf({ name, runs }: Group, series: Series, weight: number): { readonly rows: readonly SeriesRow[]; readonly bands: readonly Band[] } {
  const curves = runs.map(({ evaluations }) => smoothed(seriesRows([{ label: name, evaluations }], series), weight)).filter((rows) => rows.length > 0);
  const [only] = curves;
  if (!only) return { rows: [], bands: [] };
  if (curves.length === 1) return { rows: only, bands: [] };
  const epochs = [...new Set(curves.flatMap((rows) => rows.map(({ epoch }) => epoch)))].sort((a, b) => a - b);
  const bands: Band[] = [];
  const rows = epochs.map((epoch): SeriesRow => {
    const { mean, deviation } = spread(curves.flatMap((curve) => valueAt(curve, epoch) ?? []));
    if (deviation !== null) bands.push({ name, epoch, low: mean - deviation, high: mean + deviation });
    return { epoch, value: mean, series: series.label, run: name };
  });
  return { rows, bands };
}

/** A curve's value at an epoch, between its points on a straight line; undefined before the first and after the last. */
export function valueAt(rows: readonly SeriesRow[], epoch: number): number | undefined {
  const after = rows.findIndex((row) => row.epoch >= epoch);
  const [b, a] = [rows[after], rows[after - 1]];
  if (!b) return undefined;
  if (b.epoch === epoch) return b.value;
  return a && a.value + ((b.value - a.value) * (epoch - a.epoch)) / (b.epoch - a.epoch);
}

/** Mean and deviation of a quantity at the runs' last evaluations; undefined where none is measured. */
export function lastSpread(runs: readonly Pick<RunSummary, "last">[], key: Series["key"]): (ReturnType<typeof spread> & { readonly n: number }) | undefined {
  const values = runs.flatMap(({ last }) => {
    const value = last?.[key];
    return typeof value === "number" && Number.isFinite(value) ? [value] : [];
  });
  return values.length === 0 ? undefined : { ...spread(values), n: values.length };
}
