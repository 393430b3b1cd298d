/** @file The report over a plan of runs: mean and deviation over seeds, what is missing or failed, and the runs side by side. */
import { externalName } from "@gradalign/robustness";
import type { Plan, PlannedRun, PlanStatus, RunStatus } from "../plan/plan.ts";
import type { ReportRun, RobustnessRecord } from "../run/run-data.ts";
import { describeSettings } from "../settings/describe.ts";
import { attackName, percent, radius } from "../words/format.ts";
import { csvLink } from "./csv.ts";
import { html, type Markup } from "./html.ts";
import { htmlPage } from "./page.ts";
import { table } from "./parts.ts";
import { comparison } from "./report.ts";

/** Runs that can be told apart when they are drawn side by side; of more there are only numbers. */
const MOST_DRAWN = 24;

/** Runs that differ in their seed alone. */
export interface SeedGroup {
  /** Settings that tell groups apart, as flags are named. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  readonly runs: readonly PlannedRun[];
}

/** A plan's runs by all their settings but the seed; `varied` are the settings that were given several values. */
export function seedGroups(runs: readonly PlannedRun[], varied: readonly string[]): SeedGroup[] {
  const groups = new Map<string, { settings: [string, string][]; runs: PlannedRun[] }>();
  for (const run of runs) {
    const settings = describeSettings(run.config).filter(([name]) => name !== "seed");
    const key = JSON.stringify([settings, run.attacks]);
    const group = groups.get(key) ?? { settings, runs: [] };
    group.runs.push(run);
    groups.set(key, group);
  }
  // Others differ only because a method or model has options of its own.
  const names = new Set(varied.map(externalName));
  return [...groups.values()].map(({ settings, runs: own }) => ({ settings: settings.filter(([name]) => names.has(name)), runs: own }));
}

/** Mean and sample deviation; the deviation of a single value is not known. */
export function spread(values: readonly number[]): { readonly mean: number; readonly deviation: number | null } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, deviation: null };
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)) };
}

/**
 * The page.
 *
 * @param finished the finished runs by id, each labelled as in the plan.
 */
export function planReport(plan: Plan, status: PlanStatus, finished: ReadonlyMap<string, ReportRun>, document: Document): string {
  const { runs } = plan;
  const shown = runs.flatMap(({ id }) => finished.get(id) ?? []);
  const missing = status.runs.filter(({ state }) => state !== "finished");
  const differing = status.runs.filter((run) => run.differing);
  return htmlPage({
    title: plan.name,
    subtitle: `${status.finished} of ${status.total} runs finished${status.failed > 0 ? `, ${status.failed} failed` : ""}`,
    body: html`<section aria-label="Outcome"><h2>Over seeds</h2>${spreadTable(plan, finished)}
<p class="note">Mean ± sample standard deviation over the finished seeds of a row; accuracies are of the saved models, PGD-K-R is PGD with K steps and R restarts.</p>
${differing.length > 0 && html`<h2>Computed twice, with other results</h2>${differingTable(differing)}`}
${missing.length > 0 && html`<h2>Missing</h2>${missingTable(missing)}`}</section>
${shown.length > 0 && shown.length <= MOST_DRAWN && comparison(shown, document)}
<section><h2>The plan</h2><p class="note">${plan.name}, plan ${plan.id}. Each run has a folder of its name with its own report.</p>
${table(
  html`<th>run</th><th>state</th><th>folder</th>`,
  status.runs.map(({ id, label, state }) => html`<tr><th>${label}</th><td>${state}</td><td>${id}</td></tr>\n`),
)}</section>`,
    footer: "Made by gradalign.",
  });
}

/** An alarm: settings and seed decide every bit, so that one of the machines, or the code, is not to be trusted. */
function differingTable(runs: readonly RunStatus[]): Markup {
  return table(
    html`<th>run</th><th>the first result is counted; others</th>`,
    runs.map(({ label, differing = [] }) => html`<tr><th>${label}</th><td>${differing.join(", ")}</td></tr>\n`),
  );
}

function missingTable(missing: readonly RunStatus[]): Markup {
  return table(
    html`<th>run</th><th>state</th><th>why</th>`,
    missing.map(
      ({ label, state, message }) =>
        html`<tr><th>${label}</th><td>${state}</td><td>${message ?? (state === "running" ? "it goes on" : "not begun or stopped")}</td></tr>\n`,
    ),
  );
}

interface Column {
  readonly name: string;
  readonly value: (run: ReportRun) => number | undefined;
}

function spreadTable({ runs, origin }: Plan, finished: ReadonlyMap<string, ReportRun>): Markup {
  const groups = seedGroups(runs, origin.kind === "sweep" ? origin.varied : []);
  const names = [...new Set(groups.flatMap(({ settings }) => settings.map(([name]) => name)))];
  const columns = columnsOf([...finished.values()]);
  const rows = groups.map(({ settings, runs: own }) => {
    const done = own.flatMap(({ id }) => finished.get(id) ?? []);
    const collapsed = done.filter(({ overfitting }) => overfitting !== null).length;
    const cells = columns.map(({ value }) => {
      const values = done.flatMap((run) => value(run) ?? []);
      return values.length === 0 ? null : { ...spread(values), n: values.length };
    });
    return { settings: new Map(settings), seeds: `${done.length} of ${own.length}`, collapsed, done: done.length, cells };
  });
  const csvRows = rows.map(({ settings, seeds, collapsed, cells }) => ({
    ...Object.fromEntries(names.map((name) => [name, settings.get(name) ?? ""])),
    ...{ seeds, collapsed },
    ...Object.fromEntries(
      columns.flatMap(({ name }, i) => [
        [name, cells[i]?.mean ?? null],
        [`${name} deviation`, cells[i]?.deviation ?? null],
      ]),
    ),
  }));
  return html`${csvLink("over-seeds.csv", "This table as CSV", csvRows)}${table(
    html`${names.map((name) => html`<th>${name}</th>`)}<th class="number">seeds</th>${columns.map(({ name }) => html`<th class="number">${name}</th>`)}<th class="number">collapsed</th>`,
    rows.map(
      ({ settings, seeds, collapsed, done, cells }) =>
        html`<tr>${names.map((name) => html`<th>${settings.get(name) ?? "–"}</th>`)}<td class="number">${seeds}</td>${cells.map(
          (cell) => html`<td class="number">${cell === null ? "–" : spreadText(cell)}</td>`,
        )}<td class="number">${done === 0 ? "–" : `${collapsed} of ${done}`}</td></tr>\n`,
    ),
  )}`;
}

/** A mean with its deviation, as percentages. */
export function spreadText({ mean, deviation }: ReturnType<typeof spread>): string {
  return deviation === null ? percent(mean) : `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)} %`;
}

/** What was measured of the saved models: clean accuracy and each attack, of the last and the best. */
function columnsOf(runs: readonly ReportRun[]): Column[] {
  const columns = new Map<string, Column>();
  const add = (name: string, fits: (run: ReportRun, record: RobustnessRecord) => boolean, value: (record: RobustnessRecord) => number): void => {
    columns.set(name, {
      name,
      value(run) {
        const record = run.robustness.find((one) => fits(run, one));
        return record && value(record);
      },
    });
  };
  const own = (run: ReportRun, { epsilon }: RobustnessRecord): string => (epsilon === run.config.epsilon ? "" : `, ε = ${radius(epsilon)}`);
  for (const run of runs) {
    for (const record of run.robustness) {
      const { which, attack, n } = record;
      const at = own(run, record);
      add(
        `clean, ${which}, n = ${n}`,
        (_, one) => one.which === which && one.n === n,
        (one) => one.cleanAccuracy,
      );
      if (attack === "none") continue;
      const same = (other: ReportRun, one: RobustnessRecord): boolean => one.which === which && one.attack === attack && one.n === n && own(other, one) === at;
      add(`${attackName(attack)}${at}, ${which}, n = ${n}`, same, (one) => one.robustAccuracy);
    }
  }
  return [...columns.values()];
}
