/** @file The registry of trackers, and a view that tells them what a run tells. */
import { closestName } from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import { readRobustness } from "../folder/node-notes.ts";
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
  /** What was told, or had been before the run went on: attacks that are done are told of again. */
  const known = new Set<string>();
  const fresh = (metrics: readonly Metric[]): Metric[] =>
    metrics.filter(({ name, step }) => {
      const isNew = !known.has(`${name} ${step}`);
      known.add(`${name} ${step}`);
      return isNew;
    });
  const send = (metrics: readonly Metric[]): void => {
    const sent = fresh(metrics);
    for (const tracker of open) tracker.send(sent);
  };
  const event: RunView["event"] = (label, told) => {
    view.event(label, told);
    if (open.length === 0) return;
    if (told.type === "start") {
      const before = told.iteration > 0 ? fresh(earlier(run, told.iteration)) : [];
      for (const tracker of open) tracker.start(told.iteration, before);
    }
    if (told.type === "evaluation") send(evaluationMetrics(told.evaluation));
    if (told.type === "robustness") send(robustnessMetrics(told.record, run.config));
    if (told.type === "end") end = told.interrupted ? "interrupted" : "finished";
  };
  return {
    view: { ...view, event },
    async close() {
      await Promise.all(open.map((tracker) => tracker.close(end)));
    },
  };
}

/** What the run's folder has from before. */
function earlier({ folder, config }: TrackedRun, iteration: number): Metric[] {
  const evaluated = openRun(folder).evaluations.filter((evaluation) => evaluation.iteration <= iteration);
  return [...evaluated.flatMap(evaluationMetrics), ...readRobustness(folder).flatMap((record) => robustnessMetrics(record, config))];
}
