/** @file The settings as a form, made from the declared options: what there is, what it may be, and what it is when it is left out. */
import { allSettings, type Setting, settingsOfConfig, type TrainingSettings, written } from "@gradalign/runs";
import { methodLabel } from "../names.ts";
import { type Backend, CHOICES, SIDES, type Side } from "../protocol.ts";
import { readSetting } from "./address.ts";
import type { Choice } from "./presets.ts";
import { SettingField } from "./setting-field.tsx";
import { useStudio } from "./use-studio.ts";

const SETTINGS = allSettings();
const SHARED = ["epsilon", "lr", "filters", "seed", "epochs"];
const MORE = ["batchSize", "trainSize", "evalEvery", "evalExamples"];
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
  const field = (part: keyof Choice, name: string, of: Side) => {
    const id = part === "shared" ? name : `${part}.${name}`;
    return (
      <SettingField
        key={name}
        name={name}
        id={id}
        setting={SETTINGS.get(name) as Setting}
        text={choice[part][name] === undefined ? "" : written(choice[part][name])}
        otherwise={defaults(of)[name]}
        {...(name === "method" ? { isRequired: true, nameOf: methodLabel } : {})}
        onText={(text) => change(part, name, readSetting(name, text))}
        draft={state.drafts[id]}
        onDraft={(draft) => studio.setDraft(id, draft)}
      />
    );
  };
  const fields = (part: keyof Choice, names: readonly string[], of: Side) => names.map((name) => field(part, name, of));
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
