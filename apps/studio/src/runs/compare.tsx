/** @file The comparison: curves of the chosen runs, smoothed, grouped, zoomed, and to be saved. */
import { runStyle } from "@gradalign/runs";
import { useMemo } from "preact/hooks";
import { QUANTITIES, type Quantity } from "./address.ts";
import { differingSettings, type Group, type Grouping, groupsOf } from "./aggregate.ts";
import { Downloads } from "./downloads.tsx";
import { useDrawings, useRuns } from "./use-runs.ts";
import { ZoomFigure } from "./zoom-figure.tsx";

/** Of more lines none could be told from another. */
const MOST_LINES = 100;

/** Controls, legend and a panel for each quantity. */
export function Compare() {
  const { studio, state } = useRuns();
  const { choice, runs, evaluations } = state;
  const { grouping, smoothing, quantities, hidden, zoom } = choice;
  // Anew when runs, their evaluations or the choice are others.
  const compared = useMemo(() => studio.compared, [studio, runs, evaluations, choice.selected]);
  const settings = useMemo(() => differingSettings(compared.map(({ summary }) => summary)), [compared]);
  const groups = useMemo(() => groupsOf(compared, grouping).slice(0, MOST_LINES), [compared, grouping]);
  const shown = QUANTITIES.filter(({ key }) => quantities.includes(key));
  if (runs.size === 0) return null;
  return (
    <section class="card compare" aria-label="Comparison">
      <h2>
        {compared.length} {compared.length === 1 ? "run" : "runs"} compared
      </h2>
      <div class="picker">
        <label>
          Lines{" "}
          <select name="group" value={grouping} onChange={({ currentTarget }) => studio.choose({ grouping: currentTarget.value as Grouping, hidden: [] })}>
            <option value="run">each run</option>
            <option value="seeds">mean ± deviation over seeds</option>
            {[...new Set([...settings, ...(grouping.startsWith("by ") ? [grouping.slice(3)] : [])])].map((name) => (
              <option key={name} value={`by ${name}`}>
                mean ± deviation by {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Smoothing{" "}
          <input
            type="range"
            name="smooth"
            min={0}
            max={0.98}
            step={0.02}
            value={smoothing}
            aria-valuetext={smoothing === 0 ? "none" : smoothing.toFixed(2)}
            onInput={({ currentTarget }) => studio.choose({ smoothing: Number(currentTarget.value) })}
          />
        </label>
        <Epochs />
      </div>
      <details>
        <summary>What is drawn</summary>
        <div class="picker">
          {QUANTITIES.map(({ key, label }) => (
            <label key={key} class="switch">
              <input
                type="checkbox"
                name="show"
                value={key}
                checked={quantities.includes(key)}
                onChange={({ currentTarget }) =>
                  studio.choose({ quantities: currentTarget.checked ? [...quantities, key] : quantities.filter((other) => other !== key) })
                }
              />
              {label}
            </label>
          ))}
        </div>
      </details>
      <ul class="legend" aria-label="Lines">
        {groups.map(({ name, runs: own }, i) => (
          <li key={name}>
            <button type="button" class="plain" aria-pressed={!hidden.includes(name)} title="Draw it, or not" onClick={() => studio.toggleLine(name)}>
              <Sample i={i} /> {i + 1} {name}
              {grouping !== "run" && ` (${own.length} ${own.length === 1 ? "run" : "runs"})`}
            </button>
          </li>
        ))}
      </ul>
      <div class="panels" id="panels">
        {shown.map((quantity) => (
          <Panel key={quantity.key} quantity={quantity} groups={groups} hidden={hidden} smoothing={smoothing} zoom={zoom} />
        ))}
      </div>
      <Downloads groups={groups} quantities={shown} runs={compared} smoothing={smoothing} />
    </section>
  );
}

interface PanelProps {
  readonly quantity: Quantity;
  readonly groups: readonly Group[];
  readonly hidden: readonly string[];
  readonly smoothing: number;
  readonly zoom: readonly [number, number] | null;
}

function Panel({ quantity, groups, hidden, smoothing, zoom }: PanelProps) {
  const { studio } = useRuns();
  const drawings = useDrawings(groups.length > 0);
  const draw = useMemo(
    () => drawings && ((width: number) => drawings.drawComparison({ quantity, groups, hidden, smoothing, zoom }, width)),
    [drawings, quantity, groups, hidden, smoothing, zoom],
  );
  return (
    <figure class="panel" data-quantity={quantity.key}>
      <figcaption>{quantity.label}</figcaption>
      <ZoomFigure draw={draw} height={250} onZoom={(epochs) => studio.choose({ zoom: epochs })} />
    </figure>
  );
}

/** The zoom in numbers, which is a figure's drag for who has no pointer. */
function Epochs() {
  const { studio, state } = useRuns();
  const { zoom } = state.choice;
  const most = Math.max(1, ...studio.compared.map(({ summary }) => summary.epochs));
  const [from, to] = zoom ?? [0, most];
  const shown = { from: Number(from.toFixed(2)), to: Number(to.toFixed(2)) };
  /** Epochs that are none leave the field as it was. */
  const change = (field: HTMLInputElement, name: keyof typeof shown): void => {
    const [a, b] = name === "from" ? [Number(field.value), to] : [from, Number(field.value)];
    if (field.value !== "" && a >= 0 && b > a) studio.choose({ zoom: a === 0 && b >= most ? null : [a, b] });
    else field.value = String(shown[name]);
  };
  return (
    <span class="epochs">
      <label>
        Epochs{" "}
        <input type="number" name="from" min={0} max={most} step="any" value={shown.from} onChange={({ currentTarget }) => change(currentTarget, "from")} />
      </label>
      <label>
        to <input type="number" name="to" min={0} max={most} step="any" value={shown.to} onChange={({ currentTarget }) => change(currentTarget, "to")} />
      </label>
      <button type="button" disabled={zoom === null} onClick={() => studio.choose({ zoom: null })}>
        All
      </button>
    </span>
  );
}

/** A piece of the i-th line, as the panels draw it. */
function Sample({ i }: { readonly i: number }) {
  const { color, dash } = runStyle(i);
  return (
    <svg class="sample" viewBox="0 0 24 8" aria-hidden="true">
      <line x1="0" y1="4" x2="24" y2="4" stroke={color} stroke-width="2" stroke-dasharray={dash} />
    </svg>
  );
}
