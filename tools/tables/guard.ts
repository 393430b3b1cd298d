/** @file What the guard did in the runs of `npm run campaign:guard`: how early, how often wrongly, and what going back saved. */
import { join } from "node:path";
import { list, table } from "./markdown.ts";
import { RESULTS, readResults, type Source, sourceLine } from "./results.ts";

interface Run {
  readonly kind: string;
  readonly seed: number;
  readonly alarms: readonly { readonly epoch: number }[];
  readonly clean: number;
  readonly robust: number;
  /** Evaluations: iteration and PGD-10 accuracy on test images, and what the steps told. */
  readonly course: readonly (readonly [iteration: number, pgd: number, ...signs: unknown[]])[];
}

interface Campaign {
  readonly setting: { readonly epochs: number };
  readonly provenance: Source;
  readonly runs: readonly Run[];
}

const FILE = join(RESULTS, "guard.json");

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function percent(values: readonly number[]): string {
  const center = mean(values);
  return `${(100 * center).toFixed(1)} ± ${(100 * Math.sqrt(mean(values.map((value) => (value - center) ** 2)))).toFixed(1)} %`;
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((value) => (value as number).toFixed(2));
  return `${median} (${least} to ${most})`;
}

/** The epoch from which on PGD accuracy stayed below half of its best; null where it did not end there. */
function collapseOf({ course }: Run, epochs: number): number | null {
  const half = Math.max(...course.map(([, pgd]) => pgd)) / 2;
  const after = course[course.findLastIndex(([, pgd]) => pgd >= half) + 1];
  return after ? (epochs * after[0]) / (course.at(-1)?.[0] ?? 1) : null;
}

/** The table, and what it comes to. */
export function guardRegion(): string {
  const { provenance, setting, runs } = readResults<Campaign>(FILE);
  const collapse = (run: Run): number | null => collapseOf(run, setting.epochs);
  const watched = runs.filter(({ kind }) => kind.endsWith("warn"));
  const collapsed = watched.filter((run) => collapse(run) !== null);
  const healthy = watched.filter((run) => collapse(run) === null);
  const warned = collapsed.filter(({ alarms }) => alarms.length > 0);
  const early = warned.map((run) => (collapse(run) ?? 0) - (run.alarms[0]?.epoch ?? 0));
  const wrong = healthy.filter(({ alarms }) => alarms.length > 0).length;
  const rows = [...new Set(runs.map(({ kind }) => kind))].map((kind) => {
    const own = runs.filter((run) => run.kind === kind);
    const count = (which: (run: Run) => boolean): string => `${own.filter(which).length} of ${own.length}`;
    return [
      kind,
      count((run) => collapse(run) !== null),
      count(({ alarms }) => alarms.length > 0),
      percent(own.map(({ clean }) => clean)),
      percent(own.map(({ robust }) => robust)),
    ];
  });
  const when = early.length > 0 ? `, ${spread(early)} epochs before it (median, least and most)` : "";
  const facts = [
    `Of ${collapsed.length} watched runs that collapsed the guard alarmed in ${warned.length}${when}.`,
    `Of ${healthy.length} watched runs that stayed healthy it alarmed in ${wrong}.`,
  ];
  return [list(facts), table(["runs", "collapsed", "alarmed", "clean", "PGD-50"], rows), sourceLine([FILE], [provenance])].join("\n\n");
}
