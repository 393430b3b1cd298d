/** @file The settings as a form, made from the declared options: what there is, what it may be, and what it is when it is left out. */
import { externalName, type Option } from "@gradalign/robustness";
import { allSettings, declarationOf, helpOf, type Setting, settingsOfConfig, type TrainingSettings, written } from "@gradalign/runs";
import { useState } from "preact/hooks";
import { methodLabel } from "../names.ts";
import { type Backend, CHOICES, SIDES, type Side } from "../protocol.ts";
import { messageOf, readSetting } from "./address.ts";
import type { Choice } from "./presets.ts";
import { useStudio } from "./use-studio.ts";

const SETTINGS = allSettings();
const SHARED = ["epsilon", "lr", "filters", "seed", "epochs"];
const MORE = ["batchSize", "trainSize", "evalEvery", "evalExamples"];
const LABELS: Readonly<Record<string, string>> = { epsilon: "ε in 1/255", lambda: "λ", lr: "learning rate" };
const BACKENDS: Readonly<Record<Backend, string>> = { auto: "GPU, else processor", webgpu: "WebGPU", wasm: "WebAssembly" };

/** Settings of one method, by name. */
function methodFields(method: string): string[] {
  return [...SETTINGS].filter(([name, { place, declared }]) => place?.section === "method" && name !== "method" && declared.has(method)).map(([name]) => name);
}

/** All settings that the page lets people choose. */
export function Controls() {
  const { studio, state } = useStudio();
  const { choice, backend } = state.address;
  const disabled = state.phase !== "idle" && state.phase !== "loading";
  const configs = { left: studio.config("left"), right: studio.config("right") };
  const defaults = (side: Side): TrainingSettings => {
    const config = configs[side];
    return typeof config === "string" ? {} : settingsOfConfig(config);
  };
  const change = (part: keyof Choice, name: string, value: TrainingSettings[string]): void => {
    const { [name]: _, ...rest } = choice[part];
    // Options of another method are not this one's.
    const kept = name === "method" ? Object.fromEntries(Object.entries(rest).filter(([other]) => SETTINGS.get(other)?.place?.section !== "method")) : rest;
    studio.choose({ ...choice, [part]: value === undefined ? kept : { ...kept, [name]: value } });
  };
  const fields = (part: keyof Choice, names: readonly string[], of: Side) =>
    names.map((name) => (
      <Field
        key={name}
        name={name}
        part={part}
        setting={SETTINGS.get(name) as Setting}
        value={choice[part][name]}
        otherwise={defaults(of)[name]}
        onChange={(value) => change(part, name, value)}
      />
    ));
  return (
    <form class="card" id="settings" onSubmit={(event) => event.preventDefault()}>
      <fieldset disabled={disabled}>
        <legend>Both sides</legend>
        {fields("shared", SHARED, "left")}
      </fieldset>
      <div class="sides">
        {SIDES.map((side) => {
          const { method = "" } = choice[side];
          const own = Object.keys(choice[side]).filter((name) => name !== "method" && SETTINGS.get(name)?.place?.section !== "method");
          const wrong = configs[side];
          return (
            <fieldset key={side} disabled={disabled} class="side">
              <legend>{side === "left" ? "Left" : "Right"}</legend>
              {fields(side, ["method", ...methodFields(String(method)), ...own], side)}
              {typeof wrong === "string" && (
                <p class="wrong" role="alert">
                  {wrong}
                </p>
              )}
            </fieldset>
          );
        })}
      </div>
      <details>
        <summary>More settings</summary>
        <fieldset disabled={disabled}>
          {fields("shared", MORE, "left")}
          <label class="field">
            Compute on
            <select name="backend" value={backend} onChange={({ currentTarget }) => studio.chooseBackend(currentTarget.value as Backend)}>
              {CHOICES.map((name) => (
                <option key={name} value={name}>
                  {BACKENDS[name]}
                </option>
              ))}
            </select>
          </label>
        </fieldset>
      </details>
    </form>
  );
}

interface FieldProps {
  readonly name: string;
  readonly part: keyof Choice;
  readonly setting: Setting;
  readonly value: TrainingSettings[string];
  readonly otherwise: TrainingSettings[string];
  readonly onChange: (value: TrainingSettings[string]) => void;
}

/** One setting. A text that it may not be stays in its field with what is wrong, and is not taken. */
function Field({ name, part, setting, value, otherwise, onChange }: FieldProps) {
  const [draft, setDraft] = useState<{ readonly text: string; readonly wrong: string } | null>(null);
  const option: Option = declarationOf(setting);
  const label = LABELS[name] ?? externalName(name).replaceAll("-", " ");
  const id = part === "shared" ? name : `${part}.${name}`;
  const control = { id: `setting-${id}`, name: id, title: helpOf(name) };
  const take = (text: string): void => {
    try {
      onChange(readSetting(name, text));
      setDraft(null);
    } catch (error) {
      setDraft({ text, wrong: messageOf(error) });
    }
  };
  const names = option.kind === "choice" ? option.names : option.kind === "boolean" ? ["yes", "no"] : null;
  return (
    <div class="field" data-setting={name}>
      <label for={control.id}>{label}</label>
      {names ? (
        <select {...control} value={value === undefined ? "" : written(value)} onChange={({ currentTarget }) => take(currentTarget.value)}>
          {name !== "method" && <option value="">{otherwise === undefined ? "default" : `${written(otherwise)} (default)`}</option>}
          {names.map((one) => (
            <option key={one} value={one}>
              {name === "method" ? methodLabel(one) : one}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...control}
          autocomplete="off"
          inputMode={option.kind === "text" ? "text" : "decimal"}
          placeholder={
            otherwise === undefined || otherwise === null
              ? "all"
              : typeof otherwise === "number"
                ? String(Number(otherwise.toPrecision(4)))
                : written(otherwise)
          }
          value={draft ? draft.text : value === undefined ? "" : written(value)}
          aria-invalid={draft !== null}
          aria-describedby={draft ? `${control.id}-wrong` : undefined}
          onInput={({ currentTarget }) => take(currentTarget.value)}
        />
      )}
      {draft && (
        <p class="wrong" id={`${control.id}-wrong`}>
          {draft.wrong}
        </p>
      )}
    </div>
  );
}
