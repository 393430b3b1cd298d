/** @file The runs as a table: what they are, how far they are, how they stand; which are compared; start, stop and resume. */
import { percent, type QueueEntry, type RunSummary, VERDICTS } from "@gradalign/runs";
import { useMemo } from "preact/hooks";
import { useFocusMove } from "../page/hooks.ts";
import type { Order } from "./address.ts";
import { fitsFilter } from "./filter.ts";
import { useRuns } from "./use-runs.ts";

interface Column {
  readonly id: string;
  readonly title: string;
  readonly value: (run: RunSummary) => number | string | null | undefined;
  readonly show?: (value: number) => string;
}

const share = (value: number): string => percent(value);
const COLUMNS: readonly Column[] = [
  { id: "name", title: "run", value: ({ name }) => name },
  { id: "state", title: "state", value: ({ state }) => state },
  { id: "epoch", title: "epoch", value: ({ last }) => last?.epoch, show: (value) => value.toFixed(1) },
  { id: "clean", title: "clean", value: ({ last }) => last?.test_clean_acc, show: share },
  { id: "fgsm", title: "FGSM", value: ({ last }) => last?.test_fgsm_acc, show: share },
  { id: "pgd", title: "PGD-10", value: ({ last }) => last?.test_pgd_acc, show: share },
  { id: "alignment", title: "alignment", value: ({ last }) => last?.gradient_alignment, show: (value) => value.toFixed(2) },
  { id: "outcome", title: "outcome", value: ({ overfitting, outcome }) => (overfitting ? VERDICTS.overfitted : outcome ? VERDICTS[outcome.kind] : null) },
];

/** The button with a run's name, as a selector. */
export const nameOf = (key: string): string => `tr[data-run="${CSS.escape(key)}"] .name`;
/** Rows that are shown at once; more are a filter away. */
const MOST_ROWS = 200;
/** Planned runs that are named at once. */
const MOST_PLANNED = 20;

/** All runs, and what waits to be one. */
export function RunList() {
  const { studio, state } = useRuns();
  const { runs, queue, choice, isLooking, connection } = state;
  const moveFocus = useFocusMove();
  const { order } = choice;
  const selected = new Set(studio.selected);
  const fitting = useMemo(() => filtered([...runs.values()], choice.filter, order), [runs, choice.filter, order]);
  const rows = fitting.slice(0, MOST_ROWS);
  const allIn = rows.length > 0 && rows.every(({ key }) => selected.has(key));
  const waiting = queue.filter(({ key, state: how }) => how === "waiting" || !runs.has(key));
  return (
    <section class="card" aria-label="All runs" id="runs" tabIndex={-1}>
      <div class="line">
        <h2>
          {fitting.length < runs.size && `${fitting.length} of `}
          {runs.size} {runs.size === 1 ? "run" : "runs"}
        </h2>
        <label class="search">
          Filter{" "}
          <input
            type="search"
            name="filter"
            placeholder="name or setting=value"
            value={choice.filter}
            onInput={({ currentTarget }) => studio.choose({ filter: currentTarget.value })}
          />
        </label>
      </div>
      {runs.size === 0 ? (
        connection !== "lost" && <p class="note">{isLooking ? "Looking for runs." : "There are no runs yet: start one here, or with gradalign train."}</p>
      ) : rows.length === 0 ? (
        <p class="note">None of them fits “{choice.filter.trim()}”: parts of a name, or a setting with its whole value, such as seed=1.</p>
      ) : (
        <div class="scroll">
          <table class="runs">
            <thead>
              <tr>
                <th>
                  <input
                    type="checkbox"
                    aria-label="Compare all that are listed"
                    checked={allIn}
                    onChange={() =>
                      studio.toggle(
                        rows.map(({ key }) => key),
                        !allIn,
                      )
                    }
                  />
                </th>
                {COLUMNS.map(({ id, title, show }) => (
                  <th key={id} class={show ? "number" : ""} aria-sort={order.column === id ? (order.down ? "descending" : "ascending") : "none"}>
                    <button type="button" class="plain" onClick={() => studio.choose({ order: { column: id, down: order.column === id && !order.down } })}>
                      {title}
                      {order.column === id ? (order.down ? " ▾" : " ▴") : ""}
                    </button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((run) => (
                <Row key={run.key} run={run} isIn={selected.has(run.key)} moveFocus={moveFocus} entry={queue.find(({ key }) => key === run.key)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {fitting.length > rows.length && <p class="note">{fitting.length - rows.length} more; filter, or sort by another column.</p>}
      {waiting.length > 0 && (
        <div id="queue">
          <h3>Queue</h3>
          <ul tabIndex={-1}>
            {waiting.map((entry) => (
              <li key={entry.key} data-run={entry.key}>
                <span class={`state ${entry.state}`}>{entry.state}</span> {entry.label} <Stop entry={entry} moveFocus={moveFocus} />
              </li>
            ))}
          </ul>
        </div>
      )}
      <NotBegun moveFocus={moveFocus} />
    </section>
  );
}

/** Runs of plans that are neither begun nor in the queue: a server that ended forgets its queue, its plans stay. */
function NotBegun({ moveFocus }: { readonly moveFocus: MoveFocus }) {
  const { studio, state } = useRuns();
  const { plans, runs, resumable } = state;
  const free = new Set(resumable);
  const all = new Map(plans.flatMap((plan) => plan.runs.map((run) => [run.key, run])));
  const rest = [...all.values()].filter(({ key }) => free.has(key) && !runs.has(key));
  if (rest.length === 0) return null;
  const startAll = async (): Promise<void> => {
    moveFocus("#queue ul", "#runs");
    for (const { key } of rest) await studio.ask({ action: "resume", run: key });
  };
  return (
    <div id="not-begun">
      <h3>Planned, and not in the queue</h3>
      <p class="note">
        {rest.length} {rest.length === 1 ? "run has" : "runs have"} not begun. What another process computes, such as a sweep, begins there.{" "}
        <button type="button" onClick={() => void startAll()}>
          Start all
        </button>
      </p>
      <ul>
        {rest.slice(0, MOST_PLANNED).map(({ key, label }) => (
          <li key={key} data-run={key}>
            {label} <Ask action="resume" run={key} word="Start" name={label} moveFocus={moveFocus} />
          </li>
        ))}
      </ul>
      {rest.length > MOST_PLANNED && <p class="note">and {rest.length - MOST_PLANNED} more</p>}
    </div>
  );
}

/** What moves the focus when a button goes. */
type MoveFocus = ReturnType<typeof useFocusMove>;

interface RowProps {
  readonly run: RunSummary;
  readonly isIn: boolean;
  readonly entry: QueueEntry | undefined;
  readonly moveFocus: MoveFocus;
}

function Row({ run, isIn, entry, moveFocus }: RowProps) {
  const { studio, state } = useRuns();
  const { key, name, description, problem, epochs, attacked } = run;
  return (
    <tr data-run={key} data-state={run.state}>
      <td>
        <input
          type="checkbox"
          aria-label={`Compare ${name}`}
          checked={isIn}
          disabled={run.evaluations === 0}
          onChange={({ currentTarget }) => studio.toggle([key], currentTarget.checked)}
        />
      </td>
      {COLUMNS.map(({ id, value, show }) => {
        const found = value(run);
        if (id === "name")
          return (
            <th key={id}>
              <button
                type="button"
                class="plain name"
                title={description}
                aria-expanded={state.choice.focus === key}
                onClick={() => studio.choose({ focus: state.choice.focus === key ? null : key })}
              >
                {name}
              </button>
            </th>
          );
        if (id === "state")
          return (
            <td key={id} title={problem ?? undefined}>
              <span class={`state ${entry?.state ?? run.state}`}>{entry?.state ?? run.state}</span> <Actions run={run} entry={entry} moveFocus={moveFocus} />
              {attacked && (
                <span class="note attacked">
                  {" "}
                  {attacked.attack}, model of step {attacked.iteration}: {attacked.images} images
                </span>
              )}
            </td>
          );
        if (id === "epoch")
          return (
            <td key={id} class="number">
              {typeof found === "number" ? found.toFixed(1) : "–"} of {epochs}
            </td>
          );
        return (
          <td key={id} class={show ? "number" : run.overfitting ? "bad" : ""}>
            {typeof found === "number" && show ? show(found) : (found ?? "–")}
          </td>
        );
      })}
    </tr>
  );
}

/** What can be done with a run now; nothing without the token. */
function Actions({ run: { key, name }, entry, moveFocus }: Omit<RowProps, "isIn">) {
  const { state } = useRuns();
  if (entry) return <Stop entry={entry} moveFocus={moveFocus} />;
  if (state.stoppable.includes(key)) return <Ask action="stop" run={key} word="Stop" name={name} moveFocus={moveFocus} />;
  return state.resumable.includes(key) ? <Ask action="resume" run={key} word="Resume" name={name} moveFocus={moveFocus} /> : null;
}

function Stop({ entry: { key, label, state }, moveFocus }: { readonly entry: QueueEntry; readonly moveFocus: MoveFocus }) {
  const isStopping = state === "stopping";
  return (
    <>
      <Ask action="stop" run={key} word={state === "waiting" ? "Remove" : "Stop"} name={label} disabled={isStopping} moveFocus={moveFocus} />
      {isStopping && <span class="note"> after the step that goes on, with a checkpoint</span>}
    </>
  );
}

interface AskProps {
  readonly action: "stop" | "resume";
  readonly run: string;
  readonly word: string;
  readonly name: string;
  readonly disabled?: boolean;
  readonly moveFocus: MoveFocus;
}

function Ask({ action, run, word, name, disabled = false, moveFocus }: AskProps) {
  const { studio, state } = useRuns();
  if (!state.datasets) return null;
  return (
    <button
      type="button"
      disabled={disabled}
      onClick={() => {
        moveFocus(nameOf(run), "#queue ul", "#runs");
        void studio.ask({ action, run });
      }}
      aria-label={`${word} ${name}`}
    >
      {word}
    </button>
  );
}

/** Those that fit the filter, in order of a column. */
function filtered(runs: readonly RunSummary[], filter: string, { column, down }: Order): RunSummary[] {
  const { value } = COLUMNS.find(({ id }) => id === column) ?? (COLUMNS[0] as Column);
  const before = (a: RunSummary, b: RunSummary): number => {
    const [x, y] = [value(a), value(b)];
    // What was not measured is last either way.
    if (x === y) return 0;
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    return (x < y ? -1 : 1) * (down ? -1 : 1);
  };
  return runs.filter((run) => fitsFilter(run, filter)).sort(before);
}
