/** @file One side: its numbers, its verdict and its curves. */
import { count, percent, VERDICTS } from "@gradalign/runs";
import { useMemo } from "preact/hooks";
import { methodLabel } from "../names.ts";
import type { Side } from "../protocol.ts";
import { settingsOf } from "./address.ts";
import { type Draw, Figure } from "./figure.tsx";
import type { Run } from "./state.ts";
import type { Studio } from "./studio.ts";
import { useCharts, useStudio } from "./use-studio.ts";

const VALUES = [
  { key: "test_clean_acc", name: "clean", format: percent },
  { key: "test_fgsm_acc", name: "under FGSM", format: percent },
  { key: "test_pgd_acc", name: "under PGD-10", format: percent },
  { key: "gradient_alignment", name: "alignment", format: (value: number | null | undefined) => value?.toFixed(2) ?? "–" },
] as const;

/** A training as it is now, or was at the epoch that is looked back at. */
export function SideView({ side }: { readonly side: Side }) {
  const { studio, state } = useStudio();
  const { at, choice } = state.address;
  const run = state.runs?.[side] ?? null;
  const shown = at === null ? run?.evaluations.at(-1) : (run?.evaluations.findLast(({ epoch }) => epoch <= at) ?? run?.evaluations[0]);
  const charts = useCharts(run !== null);
  const outcome = run && studio.outcome(run);
  const bad = outcome !== null && outcome.kind !== "healthy";
  const title = run?.label ?? methodLabel(String(settingsOf(choice, side).method));
  const { evaluations, overfitting, config } = run ?? {};
  const draws = useMemo((): readonly Draw[] => {
    if (!charts || !evaluations || !config) return [];
    const curve = { label: title, epochs: Math.max(1, config.epochs), evaluations, overfitting: overfitting?.epoch ?? null, at };
    return charts.PANELS.map((panel) => (width) => charts.drawPanel(panel, curve, width));
  }, [charts, evaluations, overfitting, config, at, title]);
  return (
    <article class={`card run${bad ? " overfitted" : ""}`} data-side={side}>
      <h2>
        {title}
        {at !== null && shown && `, at epoch ${shown.epoch.toFixed(1)}`}
      </h2>
      <div class="values">
        {VALUES.map(({ key, name, format }) => (
          <div key={key}>
            <div class="value" data-key={key}>
              {format(shown?.[key])}
            </div>
            <div class="name">{name}</div>
          </div>
        ))}
      </div>
      <p class="verdict-line">
        <Verdict run={run} studio={studio} />
      </p>
      {[0, 1].map((i) => (
        <figure key={i}>
          <h3>{["Accuracy on test images", "Gradient alignment, and cosine of FGSM's and PGD's δ"][i]}</h3>
          <Figure draw={draws[i] ?? null} height={220} />
        </figure>
      ))}
      <p class="buttons saving">
        <button type="button" data-save="run" disabled={!run || run.evaluations.length === 0} onClick={() => studio.exportSide(side, "run")}>
          Save the run folder (.tar)
        </button>
        <button type="button" data-save="safetensors" disabled={!run || run.evaluations.length === 0} onClick={() => studio.exportSide(side, "safetensors")}>
          Save the weights (.safetensors)
        </button>
      </p>
    </article>
  );
}

function Verdict({ run, studio }: { readonly run: Run | null; readonly studio: Studio }) {
  if (!run) return <>Not started.</>;
  const { overfitting, end, evaluations } = run;
  const outcome = studio.outcome(run);
  if (overfitting) {
    return (
      <>
        <strong>{VERDICTS.overfitted}</strong> at iteration {count(overfitting.iteration)} (epoch {overfitting.epoch.toFixed(1)}).
      </>
    );
  }
  if (outcome && outcome.kind !== "healthy") {
    return (
      <>
        <strong>{VERDICTS[outcome.kind]}</strong>: {outcome.evidence}.
      </>
    );
  }
  if (end === null) return <>No catastrophic overfitting so far.</>;
  if (evaluations.length === 0) return <>It {end} before the first measurement.</>;
  return (
    <>
      No catastrophic overfitting; {end} at epoch {(evaluations.at(-1)?.epoch ?? 0).toFixed(1)}.
    </>
  );
}
