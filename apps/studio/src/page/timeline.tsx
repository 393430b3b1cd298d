/** @file The time line: back to any epoch of the training, and forth again. */
import { useStudio } from "./use-studio.ts";

/** A slider over the epochs so far. */
export function Timeline() {
  const { studio, state } = useStudio();
  const { runs, address } = state;
  const reached = Math.max(0, runs?.left.evaluations.at(-1)?.epoch ?? 0, runs?.right.evaluations.at(-1)?.epoch ?? 0);
  const end = runs ? Math.max(runs.left.config.epochs, runs.right.config.epochs) : 1;
  const at = address.at ?? reached;
  const collapse = runs?.left.overfitting ?? runs?.right.overfitting ?? null;
  return (
    <section class="card timeline" aria-label="Time line">
      <label for="epoch">{address.at === null ? "Now" : `Epoch ${at.toFixed(1)}`}</label>
      <input
        id="epoch"
        type="range"
        min={0}
        max={end}
        step={end / 300}
        value={at}
        disabled={!runs}
        aria-valuetext={address.at === null ? `now, epoch ${reached.toFixed(1)}` : `epoch ${at.toFixed(1)}`}
        onInput={({ currentTarget }) => studio.goTo(Math.min(reached, Number(currentTarget.value)))}
      />
      <button type="button" disabled={collapse === null} onClick={() => collapse && studio.goTo(Math.max(0, collapse.epoch - 0.5))}>
        Before the collapse
      </button>
      <button type="button" id="now" disabled={address.at === null} onClick={() => studio.goTo(null)}>
        Back to now
      </button>
    </section>
  );
}
