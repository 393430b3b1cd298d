/** @file The registry of trackers, and a view that tells them what a run tells. */
import { closestName } from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import { openRun } from "../folder/node-run.ts";
import type { RunView } from "../run/events.ts";
import { mlflow, mlflowAddress } from "./node-mlflow.ts";
import { tensorboard } from "./node-tensorboard.ts";
import { evaluationMetrics, type Metric, robustnessMetrics, type TrackedRun, type Tracker, type TrackerOptions } from "./tracker.ts";

/** A kind of tracker. */
export interface TrackerKind {
  /** @throws ConfigError for a target that cannot be one, before anything is computed. */
  check(target: string | undefined): void;
  open(options: TrackerOptions): Tracker;
}

/** Every tracker by its name. */
export const trackers: Readonly<Record<string, TrackerKind>> = {
  tensorboard: { check() {}, open: (options) => tensorboard(options) },
  mlflow: { check: (target) => void mlflowAddress(target), open: (options) => mlflow(options) },
};

/** A tracker that was asked for. */
export interface TrackerChoice {
  readonly name: string;
  readonly target: string | undefined;
}

/**
 * Reads `tensorboard,mlflow=http://…`.
 *
 * @throws ConfigError for a name that is none, or a target that cannot be one.
 */
export function readTrackers(text: string): TrackerChoice[] {
  return text.split(",").map((part) => {
    const [, name = "", target] = /^([^=]*)(?:=(.*))?$/.exec(part.trim()) ?? [];
    if (!Object.hasOwn(trackers, name)) {
      const close = closestName(name, Object.keys(trackers));
      throw new ConfigError(`--track (="${name}") must be ${Object.keys(trackers).join(" or ")}; ${close ? `did you mean ${close}?` : "name one of them"}`);
    }
    trackers[name]?.check(target);
    return { name, target };
  });
}

/** A view that also tells trackers; `close` waits for them, a little. */
export function trackedView<View extends RunView>(view: View, choices: readonly TrackerChoice[], run: TrackedRun): { view: View; close(): Promise<void> } {
  const open = choices.map(({ name, target }) => (trackers[name] as TrackerKind).open({ run, target, note: (text) => view.note(text) }));
  let end: Parameters<Tracker["close"]>[0] = "failed";
  const event: RunView["event"] = (label, told) => {
    view.event(label, told);
    for (const tracker of open) {
      if (told.type === "start") tracker.start(told.iteration, told.iteration > 0 ? earlier(run.folder, told.iteration) : []);
      if (told.type === "evaluation") tracker.send(evaluationMetrics(told.evaluation));
      if (told.type === "robustness") tracker.send(robustnessMetrics(told.record));
    }
    if (told.type === "end") end = told.interrupted ? "interrupted" : "finished";
  };
  return {
    view: { ...view, event },
    async close() {
      await Promise.all(open.map((tracker) => tracker.close(end)));
    },
  };
}

function earlier(folder: string, iteration: number): Metric[] {
  return openRun(folder)
    .evaluations.filter((evaluation) => evaluation.iteration <= iteration)
    .flatMap(evaluationMetrics);
}
