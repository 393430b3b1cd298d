/** @file The time line: back to any epoch of the training, and forth again. */
import { useFocusMove } from "./hooks.ts";
import { useStudio } from "./use-studio.ts";

/** A slider over the epochs so far. */
export function Timeline() {
  const { studio, state } = useStudio();
  const { runs, address } = state;
  const moveFocus = useFocusMove();
  const reached = Math.max(0, runs?.left.evaluations.at(-1)?.epoch ?? 0, runs?.right.evaluations.at(-1)?.epoch ?? 0);
  const end = runs ? Math.max(runs.left.config.epochs, runs.right.config.epochs) : 1;
  // Before a training there is no epoch to look back at, whatever the address says.
  const at = runs ? address.at : null;
  const collapse = runs?.left.overfitting ?? runs?.right.overfitting ?? null;
  return (
    <section class="card timeline" aria-label="Time line">
      <label for="epoch">{at === null ? "Now" : `Epoch ${at.toFixed(1)}`}</label>
      <input
        id="epoch"
        type="range"
        min={0}
        max={end}
        // A power of two divides without rounding: the last step is the end.
        step={end / 256}
        value={at ?? reached}
        disabled={!runs}
        aria-valuetext={at === null ? `now, epoch ${reached.toFixed(1)}` : `epoch ${at.toFixed(1)}`}
        onInput={({ currentTarget }) => studio.goTo(Number(currentTarget.value) < reached ? Number(currentTarget.value) : null)}
      />
      <button type="button" disabled={collapse === null} onClick={() => collapse && studio.goTo(Math.max(0, collapse.epoch - 0.5))}>
        Before the collapse
      </button>
      <button
        type="button"
        id="now"
        disabled={at === null}
        onClick={() => {
          moveFocus("#epoch");
          studio.goTo(null);
        }}
      >
        Back to now
      </button>
    </section>
  );
}
