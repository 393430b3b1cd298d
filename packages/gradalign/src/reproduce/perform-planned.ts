/** @file A run of a plan: claimed here, computed in a process of its own, put into its place here. */
import type { PlannedRun } from "@gradalign/runs";
import { attemptRun, checkPlannedRun, type RunsPlace, type TrackerChoice, type WorkOutcome } from "@gradalign/runs/node";
import type { TrainingEvent, TrainingPool } from "./training-pool.ts";

/** With what runs are performed. */
export interface PlannedContext {
  readonly place: RunsPlace;
  readonly pool: TrainingPool;
  readonly threads: number;
  readonly track: readonly TrackerChoice[];
  readonly signal: AbortSignal;
}

/**
 * Performs a run. Never throws.
 *
 * @param run as it came from outside: it is checked.
 */
export async function performPlanned(
  run: unknown,
  { place, pool, threads, track, signal }: PlannedContext,
  onEvent: (event: TrainingEvent) => void,
): Promise<WorkOutcome> {
  let checked: PlannedRun;
  try {
    checked = checkPlannedRun(run, "the run");
  } catch (error) {
    return { kind: "failed", message: (error as Error).message, final: true };
  }
  const { data: images, ...settings } = checked;
  const isKnown = images === "real" || images === "made-up";
  return attemptRun(place, checked.id, signal, (attempt) => {
    const { runs, id, number, token, folder } = attempt;
    const training = { ...settings, data: isKnown ? images : "real", folder } as const;
    const request = { training, claim: { runs, id, number, token }, ...(isKnown ? {} : { fingerprint: images }), threads, track };
    return pool.train(request, signal, (event) => {
      if (event.type === "checkpoint") place.exchange?.checkpointed(attempt);
      onEvent(event);
    });
  });
}
