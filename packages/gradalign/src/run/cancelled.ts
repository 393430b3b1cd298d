/** @file A plan that is cancelled while this process computes it. */
import type { Plan } from "@gradalign/runs";
import { isCancelled } from "@gradalign/runs/node";

/** Milliseconds between looks. */
const LOOK_MS = 500;

/** Whether a plan is cancelled, looked at now and then. */
export interface Cancellation {
  /** Aborted when it is. */
  readonly signal: AbortSignal;
  /** Looks now. */
  isCancelled(): boolean;
  /** Looks no more. */
  release(): void;
}

/** Looks for it; `note` is told once. */
export function watchCancelled(runs: string, plan: Plan, note: (text: string) => void): Cancellation {
  const controller = new AbortController();
  const { signal } = controller;
  const look = (): boolean => {
    if (!signal.aborted && isCancelled(runs, plan)) {
      note("the plan was cancelled");
      controller.abort(new Error("the plan was cancelled"));
    }
    return signal.aborted;
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  return { signal, isCancelled: look, release: () => clearInterval(timer) };
}
