/** @file What trainings tell, as changes of what is shown. */
import type { TrainEvent } from "@gradalign/robustness";
import { count, duration } from "@gradalign/runs";
import { bounded } from "../bounded.ts";
import { type BySide, type OpenedSide, SIDES, type Side } from "../protocol.ts";
import { openedRun, type Run, type State } from "./state.ts";

/** More evaluations than this are thinned. */
const MOST_EVALUATIONS = 512;

/** What an event of a side's training changes. */
export function afterEvent(state: State, side: Side, event: TrainEvent): Partial<State> {
  const run = state.runs?.[side];
  if (!run) return {};
  switch (event.type) {
    case "start":
      return withRun(state, side, { iterations: event.iterations });
    case "step": {
      const change = withRun(state, side, { step: event });
      return { ...change, ...stepsOf({ ...state, ...change }) };
    }
    case "evaluation": {
      // A run that went on from before its last evaluation does it again.
      const before = run.evaluations.filter(({ iteration }) => iteration < event.evaluation.iteration);
      const evaluations = [...before, event.evaluation];
      return withRun(state, side, { evaluations: bounded(evaluations, MOST_EVALUATIONS, ({ iteration }) => iteration) });
    }
    case "catastrophic-overfitting":
      return { ...withRun(state, side, { overfitting: event }), headline: `${run.label}: overfitted at epoch ${event.epoch.toFixed(1)}` };
    default:
      return {};
  }
}

/** What the end of both sides' training changes. */
export function afterEnd({ runs }: State, how: "ended" | "stopped" | "failed"): Partial<State> {
  const { evaluations = [], iterations = 0 } = runs?.left ?? {};
  const last = evaluations.at(-1);
  return {
    runs: runs && { left: { ...runs.left, end: how }, right: { ...runs.right, end: how } },
    phase: "idle",
    headline: { ended: "Done", stopped: "Stopped", failed: "Failed" }[how],
    numbers: last ? [`iteration ${count(last.iteration)} of ${count(iterations)}, epoch ${last.epoch.toFixed(1)}`] : [],
    progress: last ? last.iteration / Math.max(1, iterations) : 0,
  };
}

/** What is shown of a training that was opened: halted, or ended, or one side of it. */
export function afterOpening(sides: BySide<OpenedSide>): Partial<State> {
  const runs = { left: openedRun(sides.left), right: openedRun(sides.right) };
  const going = SIDES.filter((side) => !sides[side].done);
  const done = going.length === 0;
  const [ended] = SIDES.filter((side) => sides[side].done);
  const reached = Math.max(...(done ? SIDES : going).map((side) => runs[side].evaluations.at(-1)?.epoch ?? 0));
  const { epochs } = runs.left.config;
  return {
    ...{ drafts: {}, runs, looks: {}, phase: done ? "idle" : "paused" },
    headline: done ? "Opened; it has ended" : ended ? `Opened; the ${ended} one has ended` : "Opened",
    progress: reached / Math.max(1, epochs),
    numbers: [`epoch ${reached.toFixed(1)} of ${epochs}`],
  };
}

function withRun({ runs }: State, side: Side, change: Partial<Run>): Partial<State> {
  return runs ? { runs: { ...runs, [side]: { ...runs[side], ...change } } } : {};
}

/** How far both are: they are level, so either tells. */
function stepsOf({ runs, phase, headline }: State): Partial<State> {
  const steps = SIDES.flatMap((side) => runs?.[side].step ?? []);
  const [first] = steps;
  if (!runs || !first || (phase !== "training" && phase !== "pausing")) return {};
  const speed = steps.reduce((sum, { imagesPerSecond }) => sum + imagesPerSecond, 0);
  return {
    headline: headline === "Compiling" || headline === "Going on" ? "Training" : headline,
    progress: first.iteration / runs.left.iterations,
    numbers: [
      `iteration ${count(first.iteration)} of ${count(runs.left.iterations)}, epoch ${first.epoch.toFixed(1)}`,
      `${count(speed)} images/s, ${duration(Math.max(...steps.map(({ etaSeconds }) => etaSeconds)))} left`,
    ],
  };
}
