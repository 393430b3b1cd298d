/** @file The claims of the paper, each with its settings, and beside the page's own run the result that is committed. */
import { useState } from "preact/hooks";
import { useLoaded } from "./hooks.ts";
import { PRESETS } from "./presets.ts";
import { useStudio } from "./use-studio.ts";

const load = () => import("virtual:results");

/** Presets to choose from, and what the chosen one shows. */
export function Explanation() {
  const { studio, state } = useStudio();
  const chosen = PRESETS.find(({ id }) => id === state.address.claim);
  const [open, setOpen] = useState(false);
  const results = useLoaded(load, open)?.results;
  const result = chosen && results?.[chosen.experiment];
  return (
    <section class="card explanation" aria-label="Claims of the paper">
      <fieldset class="presets">
        <legend>Claims of the paper</legend>
        {PRESETS.map((preset) => (
          <button
            key={preset.id}
            type="button"
            aria-pressed={preset === chosen}
            disabled={state.phase !== "idle" && state.phase !== "loading"}
            onClick={() => studio.choosePreset(preset)}
          >
            {preset.title}
          </button>
        ))}
      </fieldset>
      <p class="claim">{chosen ? chosen.text : "Settings of your own. The buttons above choose those of a claim of the paper."}</p>
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>What was measured before, in full</summary>
        {result && (
          <div class="result">
            <p>
              <strong>{result.title}</strong> ({result.paper}), measured with <code>{result.command}</code>.
            </p>
            {result.claims.map(({ text, holds, evidence }) => (
              <p key={text} class={`verdict${holds === false ? " overfitted" : ""}`}>
                <strong>{holds === null ? "Cannot be told" : holds ? "Holds" : "Does not hold"}.</strong> {text} <span class="evidence">{evidence}</span>
              </p>
            ))}
            {result.figure !== null && (
              <figure>
                {/* The build drew it. */}
                <div class="committed" dangerouslySetInnerHTML={{ __html: result.figure.markup }} />
                <figcaption class="caption">{result.figure.caption}</figcaption>
              </figure>
            )}
          </div>
        )}
      </details>
    </section>
  );
}
