/** @file Trainings that the browser keeps, and run folders that are opened. */
import type { KeptTraining } from "../protocol.ts";
import { SIDES } from "../sides.ts";
import { DropZone } from "./drop-zone.tsx";
import { refusalOf } from "./state.ts";
import { useStudio } from "./use-studio.ts";

/** What can be gone on with. */
export function KeptView() {
  const { studio, state } = useStudio();
  const { phase, kept, keptProblem, data } = state;
  const refusal = refusalOf(phase) ?? (data === null ? "There are no images yet; choose some first, under “Images of your own”." : null);
  return (
    <details class="card kept" open={kept.length > 0 && !state.runs}>
      <summary>{kept.length > 0 ? `Trainings kept in this browser: ${kept.length}` : "Open a training"}</summary>
      {keptProblem !== null && (
        <p class="wrong" role="alert">
          This browser keeps nothing ({keptProblem}): closing the page ends its training.
        </p>
      )}
      {kept.map((training) => (
        <div key={training.id} class="line kept-training" data-kept={training.id}>
          <span>
            <strong>{SIDES.map((side) => training.labels[side]).join(" and ")}</strong> on {training.dataName}, {progressOf(training)},{" "}
            <time dateTime={new Date(training.saved).toISOString()}>{new Date(training.saved).toLocaleString()}</time>
          </span>
          <span class="buttons">
            <button type="button" disabled={refusal !== null} onClick={() => studio.reopen(training.id)}>
              Open
            </button>
            <button type="button" disabled={phase !== "idle"} onClick={() => studio.forget(training.id)}>
              Delete
            </button>
          </span>
        </div>
      ))}
      <div class="picker">
        <DropZone
          name="run"
          label="Drop one run folder or two here, or their .tar"
          accept=".tar,.tgz,.gz"
          folders
          refusal={refusal}
          onFiles={(files) => studio.openFolders(files)}
        />
      </div>
      <p class="caption">
        The newest four trainings stay, each at its last checkpoint. A single run folder is opened on the left, beside a new training on the right.
      </p>
    </details>
  );
}

function progressOf({ progress: { left, right } }: KeptTraining): string {
  const epochs = [left, right].map(({ epoch, epochs: all }) => `${epoch.toFixed(1)} of ${all}`);
  return `epoch ${[...new Set(epochs)].join(" and ")}`;
}
