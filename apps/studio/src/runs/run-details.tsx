/** @file The run that is looked at: verdict, alarms, settings beside those it is compared with, saved models, log, and how to get it again. */
import { attackName, type LogLine, percent, type RunSummary, radius, VERDICTS } from "@gradalign/runs";
import { useEffect, useRef, useState } from "preact/hooks";
import { useFocusMove } from "../page/hooks.ts";
import { differingSettings } from "./aggregate.ts";
import { nameOf } from "./run-list.tsx";
import { useRuns } from "./use-runs.ts";

/** Details of one run, and how the settings of those compared differ. */
export function RunDetails() {
  const { studio, state } = useRuns();
  const { focus } = state.choice;
  const run = focus === null ? undefined : state.runs.get(focus);
  const moveFocus = useFocusMove();
  // What the address opened stays where it is.
  const atFirst = useRef(focus);
  useEffect(() => {
    if (focus === atFirst.current) return;
    atFirst.current = null;
    const heading = document.querySelector<HTMLElement>("#details h2");
    heading?.focus({ preventScroll: true });
    heading?.closest("section")?.scrollIntoView({ block: "start" });
  }, [focus]);
  const compared = studio.compared.map(({ summary }) => summary);
  return (
    <>
      {run && <Details run={run} moveFocus={moveFocus} />}
      {compared.length > 1 && <Difference runs={compared} />}
    </>
  );
}

function Details({ run, moveFocus }: { readonly run: RunSummary; readonly moveFocus: ReturnType<typeof useFocusMove> }) {
  const { studio, state: all } = useRuns();
  const { key, name, description, problem, outcome, overfitting, alarms, checkpoints, robustness, machine, command, resume, settings } = run;
  // What is planned goes on with its plan.
  const isPlanned = all.plans.some((plan) => plan.runs.some((planned) => planned.key === key));
  return (
    <section class="card" aria-label={`Run ${name}`} id="details">
      <div class="line">
        <h2 tabIndex={-1}>{name}</h2>
        <button
          type="button"
          onClick={() => {
            moveFocus(nameOf(key), "#runs");
            studio.choose({ focus: null });
          }}
        >
          Close
        </button>
      </div>
      <p class="subtitle">{description}</p>
      {problem !== null && <p class="wrong">{problem}</p>}
      {outcome && (
        <p>
          <strong>{VERDICTS[outcome.kind]}</strong>
          {overfitting && ` at iteration ${overfitting.iteration} (epoch ${overfitting.epoch.toFixed(1)})`}: {outcome.evidence}.
        </p>
      )}
      {alarms.length > 0 && (
        <ul class="alarms">
          {alarms.map(({ iteration, epoch, evidence, restored }) => (
            <li key={iteration}>
              Alarm at iteration {iteration} (epoch {epoch.toFixed(1)}): {evidence}
              {restored !== null && `; the state of iteration ${restored} was restored`}.
            </li>
          ))}
        </ul>
      )}
      <h3>Saved models</h3>
      {checkpoints.length === 0 ? (
        <p class="note">None yet.</p>
      ) : (
        <ul>
          {checkpoints.map(({ which, iteration, epoch }) => (
            <li key={which}>
              {which}: iteration {iteration}, epoch {epoch.toFixed(1)},{" "}
              <a href={`runs/model?${new URLSearchParams({ run: key, which })}`} download>
                safetensors
              </a>
              , <a href={`./?${new URLSearchParams({ attack: key, which })}`}>attack it in the browser</a>
              {robustness
                .filter((record) => record.which === which)
                .map(({ attack, epsilon, n, cleanAccuracy, robustAccuracy, confidence95: [low, high] }) => (
                  <div key={`${attack} ${epsilon} ${n}`} class="note">
                    {attackName(attack)}, ε = {radius(epsilon)}, {n} images: clean {percent(cleanAccuracy)}, robust {percent(robustAccuracy)} ({percent(low)} to{" "}
                    {percent(high)})
                  </div>
                ))}
            </li>
          ))}
        </ul>
      )}
      <Log key={key} run={run} />
      <details>
        <summary>Settings, and the run again</summary>
        <pre>{command}</pre>
        {resume !== null && !isPlanned && (
          <>
            <p class="note">From the folder in which the studio was started, it goes on with</p>
            <pre>{resume}</pre>
          </>
        )}
        {machine && (
          <p class="note">
            {machine.version} on Node {machine.node}, {machine.backend}, {machine.threads} {machine.threads === 1 ? "thread" : "threads"}
          </p>
        )}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
        <section class="scroll" aria-label="All settings" tabIndex={0}>
          <table>
            <tbody>
              {Object.entries(settings).map(([setting, value]) => (
                <tr key={setting}>
                  <th>{setting}</th>
                  <td>{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </section>
  );
}

/** What the server kept of a run that was started here. */
function Log({ run }: { readonly run: RunSummary }) {
  const { studio, state } = useRuns();
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const { queue } = state;
  useEffect(() => {
    let isWanted = true;
    void studio.log(run.key).then(
      (found) => isWanted && setLines(found),
      () => {},
    );
    return () => {
      isWanted = false;
    };
  }, [studio, run, queue]);
  if (lines.length === 0) return null;
  return (
    <details open>
      <summary>Log</summary>
      <ol class="log" id="log">
        {lines.map(({ date, type, ...rest }, i) => (
          <li key={i}>
            <time dateTime={date}>{new Date(date).toLocaleString()}</time> {type} <span class="note">{wordsOf(rest)}</span>
          </li>
        ))}
      </ol>
    </details>
  );
}

function wordsOf(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .filter(([name, value]) => name !== "run" && (typeof value !== "object" || value === null))
    .map(([name, value]) => `${name} ${typeof value === "number" ? (Number.isInteger(value) ? value : Number(value.toPrecision(6))) : String(value)}`)
    .join(", ");
}

/** The settings that not all compared runs have alike. */
function Difference({ runs }: { readonly runs: readonly RunSummary[] }) {
  const names = differingSettings(runs);
  return (
    <section class="card" aria-label="Settings that differ" id="difference">
      <h2>Settings that differ</h2>
      {names.length === 0 ? (
        <p class="note">None: these are equal runs.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        <section class="scroll" aria-label="Settings by run" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>run</th>
                {names.map((name) => (
                  <th key={name}>{name}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {runs.map(({ key, name, settings }) => (
                <tr key={key}>
                  <th>{name}</th>
                  {names.map((setting) => (
                    <td key={setting}>{settings[setting] ?? "–"}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}
