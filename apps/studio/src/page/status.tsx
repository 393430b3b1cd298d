/** @file What is going on, on what machine, and what went wrong. */

import { useFocusMove } from "./hooks.ts";
import { saveFile } from "./save-file.ts";
import type { Run } from "./state.ts";
import { useStudio } from "./use-studio.ts";

/** Steps a second, at most. */
const PACES: readonly (number | null)[] = [null, 100, 30, 10];

/** The line of progress and the buttons of a training. */
export function Status() {
  const { studio, state } = useStudio();
  const { phase, headline, progress, numbers, device, problem, address } = state;
  const moveFocus = useFocusMove();
  const wrong = phase === "idle" ? studio.wrong : null;
  const what =
    device &&
    (device.backend === "wasm"
      ? `WebAssembly, ${device.threads} ${device.threads === 1 ? "thread" : "threads"}`
      : device.backend === "webgpu"
        ? "WebGPU"
        : device.backend);
  return (
    <section class="card status" aria-label="Progress">
      <div class="line">
        <strong id="headline" role="status">
          {headline}
        </strong>
        <span id="device">{device?.remark ? `${what} (${device.remark})` : what}</span>
      </div>
      <progress id="progress" max={1} value={progress} aria-label="Progress of the training" />
      <div class="line" id="numbers">
        {numbers.map((text) => (
          <span key={text}>{text}</span>
        ))}
      </div>
      <div class="buttons">
        <button
          type="button"
          id="start"
          class="primary"
          disabled={phase !== "idle" || wrong !== null}
          aria-describedby={wrong === null ? undefined : "start-wrong"}
          onClick={() => {
            moveFocus("#pause");
            studio.start();
          }}
        >
          Start
        </button>
        <button
          type="button"
          id="pause"
          disabled={phase !== "training" && phase !== "paused"}
          onClick={() => {
            moveFocus("#pause");
            if (phase === "paused") studio.resume();
            else studio.pause();
          }}
        >
          {phase === "paused" ? "Continue" : "Pause"}
        </button>
        <button
          type="button"
          id="stop"
          disabled={phase !== "training" && phase !== "paused"}
          onClick={() => {
            moveFocus("#start");
            studio.stop();
          }}
        >
          Stop
        </button>
        <select
          name="pace"
          aria-label="Speed"
          value={String(address.pace)}
          onChange={({ currentTarget }) => studio.choosePace(currentTarget.value === "null" ? null : Number(currentTarget.value))}
        >
          {[...new Set([...PACES, address.pace])].map((steps) => (
            <option key={steps} value={String(steps)}>
              {steps === null ? "full speed" : `${steps} steps a second`}
            </option>
          ))}
        </select>
        <span class="spacer" />
        <button type="button" id="save" disabled={!state.runs} onClick={() => save(studio.state.runs)}>
          Save JSON
        </button>
      </div>
      {wrong !== null && (
        <p class="wrong" id="start-wrong">
          Nothing is started while a setting is wrong: {wrong}
        </p>
      )}
      {problem !== null && (
        <p class="verdict overfitted" id="problem" role="alert">
          {problem}{" "}
          {phase === "broken" ? (
            <button type="button" onClick={() => studio.retry()}>
              Try again
            </button>
          ) : (
            <button type="button" onClick={() => studio.dismiss()}>
              Close
            </button>
          )}
        </p>
      )}
    </section>
  );
}

/** Stores both trainings' settings and measurements. */
function save(runs: Readonly<Record<"left" | "right", Run>> | null): void {
  if (!runs) return;
  const records = [runs.left, runs.right].map(({ label, config, overfitting, end, evaluations }) => ({ label, config, overfitting, end, evaluations }));
  saveFile("gradalign-studio.json", new Blob([JSON.stringify(records, null, 1)], { type: "application/json" }));
}
