/** @file Which model is attacked, and how. */
import type { NamedFile } from "../files.ts";
import { SIDES } from "../sides.ts";
import type { AttackForm as Form } from "./attack-room.ts";
import { DropZone } from "./drop-zone.tsx";
import { useAttacks, useStudio } from "./use-studio.ts";

/** Attacks that are offered; any other that the command knows can be written. */
const ATTACKS = ["pgd-50-10", "autoattack", "apgd-ce", "apgd-t", "pma", "square", "pgd-10", "fgsm"];
const NORMS: Readonly<Record<string, string>> = { linf: "l∞", l2: "l2", l1: "l1" };

/** The form. */
export function AttackForm() {
  const { studio, state } = useStudio();
  const { room, attack } = useAttacks();
  const { chosen, form, phase, problem } = attack;
  const busy = phase !== "idle";
  const field = (name: keyof Form, label: string, more: Readonly<Record<string, string>> = {}) => (
    <div class="field">
      <label for={`attack-${name}`}>{label}</label>
      <input
        id={`attack-${name}`}
        name={`attack-${name}`}
        autocomplete="off"
        value={form[name]}
        onInput={({ currentTarget }) => room.write({ [name]: currentTarget.value })}
        {...more}
      />
    </div>
  );
  return (
    <form
      class="card"
      id="attack"
      onSubmit={(event) => {
        event.preventDefault();
        room.start(state.address.backend);
      }}
    >
      <div class="picker">
        <DropZone
          name="model"
          label="Drop a model here (.safetensors, .pth, .onnx, a run folder), or choose it"
          folders
          refusal={busy ? "Stop the attack that goes on first." : null}
          onFiles={(files) => studio.chooseModel({ type: "files", files })}
        />
        {SIDES.map((side) => {
          const run = state.runs?.[side];
          return (
            <button
              key={side}
              type="button"
              data-take={side}
              disabled={busy || !run || run.evaluations.length === 0}
              onClick={() => run && studio.chooseModel({ type: "side", side, label: run.label, at: state.address.at })}
            >
              Take the {side} network
            </button>
          );
        })}
        <span class="label" id="attack-model" role="status">
          {chosen === null
            ? "no model yet"
            : chosen.type === "files"
              ? nameOf(chosen.files)
              : `${chosen.label}${chosen.at === null ? "" : `, epoch ${chosen.at.toFixed(1)}`}`}
        </span>
      </div>
      <fieldset disabled={busy}>
        {field("attack", "attack", { list: "attacks" })}
        <datalist id="attacks">
          {ATTACKS.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <div class="field">
          <label for="attack-norm">norm</label>
          <select id="attack-norm" name="attack-norm" value={form.norm} onChange={({ currentTarget }) => room.write({ norm: currentTarget.value })}>
            {Object.entries(NORMS).map(([norm, written]) => (
              <option key={norm} value={norm}>
                {written}
              </option>
            ))}
          </select>
        </div>
        {field("epsilon", "ε")}
        {field("count", "first test images", { inputMode: "numeric" })}
        {field("seed", "seed", { inputMode: "numeric" })}
      </fieldset>
      <details>
        <summary>What the file does not say</summary>
        <fieldset disabled={busy}>
          {field("arch", "network", { placeholder: "the one its tensors fit" })}
          {field("mean", "mean", { placeholder: "what the file says" })}
          {field("std", "std", { placeholder: "what the file says" })}
        </fieldset>
      </details>
      <div class="buttons">
        <button type="submit" class="primary" id="attack-start" disabled={busy || state.data === null}>
          Attack
        </button>
        <button type="button" id="attack-stop" disabled={phase !== "running"} onClick={() => room.stop()}>
          Stop
        </button>
      </div>
      {problem !== null && (
        <p class="wrong" id="attack-problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

function nameOf(files: readonly NamedFile[]): string {
  const [first] = files;
  return `${first?.path.split("/")[0] ?? ""}${files.length > 1 ? ` (${files.length} files)` : ""}`;
}
