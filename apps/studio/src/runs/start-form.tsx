/** @file Starting runs: a form made of the declared options, in which a field may hold several values; each combination is a run. */
import {
  allSettings,
  FINAL_DEFAULTS,
  RUN_OPTIONS,
  readValues,
  resolveSettings,
  type Setting,
  type StartAnswer,
  settingsOfConfig,
  type TrainingSettings,
} from "@gradalign/runs";
import { useMemo, useState } from "preact/hooks";
import { messageOf } from "../page/address.ts";
import { type Drafts, firstWrong, SettingField, withDraft } from "../page/setting-field.tsx";
import { useRuns } from "./use-runs.ts";

const SETTINGS = allSettings();
/** What is asked for at once; the rest is folded away. */
const FIRST: readonly string[] = ["model", "method", "epsilon", "epochs", "seed", "lr", "batchSize", "trainSize"];

/** Where nothing can be started the form is not there. */
export function StartForm() {
  const { studio, state } = useRuns();
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  const [drafts, setDrafts] = useState<Drafts>({});
  const [isSent, setSent] = useState(false);
  const [said, setSaid] = useState("");
  const { datasets } = state;
  const given = useMemo(() => firstOfEach(texts), [texts]);
  const resolved = useMemo(() => {
    try {
      return settingsOfConfig(resolveSettings(given, (name) => name));
    } catch (error) {
      return messageOf(error);
    }
  }, [given]);
  if (!datasets) return null;
  const defaults: TrainingSettings = typeof resolved === "string" ? {} : resolved;
  const chosen = (name: string): string => String(given[name] ?? defaults[name] ?? "");
  const owners = ["model", "method", "optimizer", "schedule"].map(chosen);
  const names = [...SETTINGS].flatMap(([name, { place, declared }]) => {
    if (name === "dataset") return [];
    if (!place) return name in FINAL_DEFAULTS ? [name] : [];
    const isPlain = place.section === null || place.section === "augment" || name === place.section;
    return isPlain || owners.some((owner) => declared.has(owner)) ? [name] : [];
  });
  const own = names.filter((name) => ["model", "method"].includes(SETTINGS.get(name)?.place?.section ?? ""));
  const first = [...new Set([...FIRST, ...own])].filter((name) => names.includes(name));
  const sent = Object.fromEntries(Object.entries(texts).filter(([name, text]) => text.trim() !== "" && (name === "dataset" || names.includes(name))));
  const runs = Object.entries(sent).reduce((product, [name, text]) => product * (name === "dataset" ? 1 : readValues(name, text).length), 1);
  const wrong = firstWrong(drafts) ?? (typeof resolved === "string" ? resolved : null);
  const field = (name: string) => (
    <SettingField
      key={name}
      name={name}
      id={name}
      setting={SETTINGS.get(name) as Setting}
      text={texts[name] ?? ""}
      otherwise={defaults[name] ?? (name in FINAL_DEFAULTS ? (RUN_OPTIONS[name as keyof typeof FINAL_DEFAULTS].default as string | number) : undefined)}
      several
      onText={(text) => {
        if (text.trim() !== "") readValues(name, text);
        setTexts((before) => ({ ...before, [name]: text }));
      }}
      draft={drafts[name]}
      onDraft={(draft) => setDrafts((before) => withDraft(before, name, draft))}
    />
  );
  const start = async (): Promise<void> => {
    setSent(true);
    const answer = await studio.ask({ action: "start", settings: sent });
    setSent(false);
    setSaid(answer ? wordsOf(answer) : "");
  };
  return (
    <details class="card" id="start">
      <summary>Start runs</summary>
      <form
        id="settings"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <p class="note">Several values with commas between, such as seed 0, 1, 2: every combination is a run. They wait for each other.</p>
        <fieldset>
          <div class="field">
            <label for="setting-dataset">dataset</label>
            <select
              id="setting-dataset"
              name="dataset"
              value={texts["dataset"] ?? ""}
              onChange={({ currentTarget: { value } }) => setTexts((before) => ({ ...before, dataset: value }))}
            >
              <option value="">the page's</option>
              {datasets.map((one) => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
            </select>
          </div>
          {first.map(field)}
        </fieldset>
        <details>
          <summary>More settings</summary>
          <fieldset>{names.filter((name) => !first.includes(name)).map(field)}</fieldset>
        </details>
        {wrong !== null && (
          <p class="wrong" id="start-wrong">
            Nothing is started while a setting is wrong: {wrong}
          </p>
        )}
        <div class="buttons">
          <button type="submit" class="primary" disabled={isSent || wrong !== null} aria-describedby={wrong === null ? undefined : "start-wrong"}>
            {runs === 1 ? "Start a run" : `Start ${runs} runs`}
          </button>
          <span class="note" id="started" role="status">
            {said}
          </span>
        </div>
      </form>
    </details>
  );
}

/** What became of runs that were asked for. */
function wordsOf({ queued = 0, there = [] }: Partial<StartAnswer>): string {
  const put = `${queued} ${queued === 1 ? "run was" : "runs were"} put into the queue`;
  return there.length === 0 ? `${put}.` : `${put}; there already: ${there.slice(0, 5).join("; ")}${there.length > 5 ? ` and ${there.length - 5} more` : ""}.`;
}

/** The first value of each field, by which the others' defaults are known. */
function firstOfEach(texts: Readonly<Record<string, string>>): TrainingSettings {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([name, text]) => {
      if (text.trim() === "" || name in RUN_OPTIONS) return [];
      return [[name, name === "dataset" ? text : readValues(name, text)[0]]];
    }),
  );
}
