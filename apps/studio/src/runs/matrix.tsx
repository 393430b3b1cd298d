/** @file Plans and grids as matrices that fill: two settings across, in each cell its runs, how far they are and what they gave. */
import { type PlanSummary, percent, type RunSummary } from "@gradalign/runs";
import { useMemo } from "preact/hooks";
import { type MatrixChoice, QUANTITIES, type Quantity } from "./address.ts";
import { differingSettings, lastSpread } from "./aggregate.ts";
import { useRuns } from "./use-runs.ts";

/** A run of a grid: begun, or only planned. */
interface GridRun {
  readonly key: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly state: string;
  readonly summary: RunSummary | undefined;
}

/** Where a grid's runs are from: a plan, or all that there are. */
const ALL = "all";

/** What a plan is chosen by. */
const keyOf = ({ folder, plan }: PlanSummary): string => `${folder} ${plan}`;

/** A matrix of a plan, or of all runs. */
export function Matrix() {
  const { studio, state } = useRuns();
  const { plans, runs, choice } = state;
  const { source, axes, measure } = choice.matrix;
  const plan = plans.find((one) => keyOf(one) === source);
  const change = (to: Partial<MatrixChoice>): void => studio.choose({ matrix: { ...choice.matrix, ...to } });
  const grid = useMemo(() => gridOf(plan, runs), [plan, runs]);
  const settings = useMemo(() => bySize(grid), [grid]);
  if (grid.length < 2 || settings.length === 0) return null;
  const [rows = "", columns = ""] = axes?.every((name) => name === "" || settings.includes(name)) ? axes : [settings[0], columnsFor(grid, settings)];
  const quantity = QUANTITIES.find(({ key }) => key === measure) as Quantity;
  const [down, across] = [valuesOf(grid, rows), valuesOf(grid, columns)];
  const select = (label: string, name: string, value: string, onChange: (value: string) => void, options: readonly (readonly [string, string])[]) => (
    <label>
      {label}{" "}
      <select name={name} value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {options.map(([one, words]) => (
          <option key={one} value={one}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
  const named = settings.map((name) => [name, name] as const);
  return (
    <section class="card" aria-label="Matrix" id="matrix">
      <h2>Matrix</h2>
      <div class="picker">
        {select(
          "Runs",
          "matrix-source",
          plan ? keyOf(plan) : ALL,
          (value) => {
            change({ source: value === ALL ? null : value, axes: null });
          },
          [[ALL, `all ${runs.size} runs`], ...plans.map((one) => [keyOf(one), `${one.name}: ${one.finished} of ${one.total}`] as const)],
        )}
        {select("Rows", "matrix-rows", rows, (value) => change({ axes: [value, columns] }), named)}
        {select("Columns", "matrix-columns", columns, (value) => change({ axes: [rows, value] }), [["", "none"], ...named])}
        {select(
          "Show",
          "matrix-measure",
          measure,
          (value) => change({ measure: value }),
          QUANTITIES.map(({ key, label }) => [key, label] as const),
        )}
      </div>
      {plan && <PlanLine plan={plan} />}
      <div class="scroll">
        <table class="matrix">
          <thead>
            <tr>
              <th>
                {rows}
                {columns && ` \\ ${columns}`}
              </th>
              {across.map((value) => (
                <th key={value} class="number">
                  {columns ? value : quantity.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {down.map((row) => (
              <tr key={row}>
                <th>{row}</th>
                {across.map((column) => {
                  const own = grid.filter((run) => (run.settings[rows] ?? "none") === row && (columns === "" || (run.settings[columns] ?? "none") === column));
                  return <Cell key={column} runs={own} quantity={quantity} onChoose={(keys) => studio.choose({ selected: keys, hidden: [] })} />;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">
        Mean ± deviation of the latest measurements of a cell's runs; under it how many have ended. A cell chooses its runs for the comparison
        {choice.selected ? ", instead of those chosen now" : ""}.
      </p>
    </section>
  );
}

function PlanLine({ plan }: { readonly plan: PlanSummary }) {
  const { total, finished, running, waiting, failed, cancelled } = plan;
  const failures = plan.runs.filter(({ state, message }) => state === "failed" && message !== undefined);
  const workers = plan.runs.filter(({ host }) => host !== undefined);
  const differing = plan.runs.filter((run) => run.differing);
  return (
    <>
      <progress max={total} value={finished} aria-label={`${finished} of ${total} runs finished`} />
      <p class="note">
        {finished} of {total} finished, {running} running, {waiting} waiting, {failed} failed{cancelled && ", cancelled"}
      </p>
      {workers.length > 0 && (
        <details>
          <summary>Who computes what</summary>
          {workers.map(({ id, label, host, pid, epoch = 0, epochs }) => (
            <p key={id} class="note">
              {label}: {host}, process {pid}, epoch {epoch.toFixed(1)} of {epochs}
            </p>
          ))}
        </details>
      )}
      {differing.map(({ id, label, differing: others = [] }) => (
        <p key={id} class="wrong">
          {label}: computed twice, with other results; see {others.join(", ")}
        </p>
      ))}
      {failures.map(({ id, label, message }) => (
        <p key={id} class="wrong">
          {label}: {message}
        </p>
      ))}
    </>
  );
}

function Cell({
  runs,
  quantity,
  onChoose,
}: {
  readonly runs: readonly GridRun[];
  readonly quantity: Quantity;
  readonly onChoose: (keys: readonly string[]) => void;
}) {
  if (runs.length === 0) return <td />;
  const begun = runs.flatMap(({ summary }) => summary ?? []);
  const found = lastSpread(begun, quantity.key);
  const isShare = quantity.group.scale === "percent";
  const show = (value: number): string => (isShare ? percent(value) : value.toPrecision(3));
  const text = found
    ? found.deviation === null
      ? show(found.mean)
      : `${show(found.mean)} ± ${isShare ? (100 * found.deviation).toFixed(1) : found.deviation.toPrecision(2)}`
    : "–";
  const count = (state: string): number => runs.filter((run) => run.state === state).length;
  const states = [count("running") > 0 && `${count("running")} running`, count("failed") > 0 && `${count("failed")} failed`].filter(Boolean);
  const collapsed = begun.filter(({ overfitting }) => overfitting !== null).length;
  // Shares and cosines colour their cells; other quantities have no ends to do so between.
  const depth = found && (isShare || quantity.group.scale === "cosine") ? Math.min(1, Math.max(0, found.mean)) : 0;
  return (
    <td class={`number${collapsed > 0 ? " overfitted" : ""}`} style={{ "--depth": `${Math.round(45 * depth)}%` }}>
      <button type="button" class="plain" onClick={() => onChoose(begun.map(({ key }) => key))} disabled={begun.length === 0}>
        {text}
        <span class="note">{[`${count("finished")} of ${runs.length}`, ...states, ...(collapsed > 0 ? [`${collapsed} overfitted`] : [])].join(", ")}</span>
      </button>
    </td>
  );
}

function gridOf(plan: PlanSummary | undefined, runs: ReadonlyMap<string, RunSummary>): GridRun[] {
  if (!plan) {
    return [...runs.values()]
      .filter(({ state }) => state !== "unreadable")
      .map((summary) => ({ key: summary.key, name: summary.name, settings: summary.settings, state: summary.state, summary }));
  }
  return plan.runs.map(({ key, label, settings, state }) => {
    const summary = runs.get(key);
    return { key, name: label, settings, state: summary?.state ?? state, summary };
  });
}

/** The settings that differ: first those with most values, the seed last, which a cell averages over. */
function bySize(grid: readonly GridRun[]): string[] {
  const names = differingSettings(grid);
  const size = (name: string): number => (name === "seed" ? 0 : valuesOf(grid, name).length);
  return names.sort((a, b) => size(b) - size(a));
}

/** A second setting that does not follow from the first, as a method's own options from the method; none if there is none. */
function columnsFor(grid: readonly GridRun[], [rows = "", ...others]: readonly string[]): string {
  const varies = (name: string): boolean =>
    valuesOf(grid, rows).some(
      (value) =>
        valuesOf(
          grid.filter(({ settings }) => (settings[rows] ?? "none") === value),
          name,
        ).length > 1,
    );
  return others.find((name) => name !== "seed" && varies(name)) ?? "";
}

/** A setting's values, numbers in order. */
function valuesOf(grid: readonly GridRun[], name: string): string[] {
  if (name === "") return [""];
  const values = [...new Set(grid.map(({ settings }) => settings[name] ?? "none"))];
  return values.sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b) || (a < b ? -1 : 1));
}
