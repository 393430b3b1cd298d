/** @file One view of a whole grid of trainings: overall progress with time to go, and a line for each that is under way. */

import { attackName, count, decimals, duration, percent, type RunEvent } from "@gradalign/runs";
import { LiveRegion } from "../terminal/live-region.ts";
import { statusLine } from "../terminal/progress-bar.ts";
import { describeRobustness } from "../terminal/run-events.ts";
import type { Streams } from "../terminal/streams.ts";
import { paintFor } from "../terminal/style.ts";
import type { Estimate } from "./costs.ts";

/** A training as the view knows it. */
export interface GridItem {
  readonly id: string;
  readonly label: string;
  readonly estimate: Estimate;
  /** Attacks after training. */
  readonly attacks: number;
  /** Whether it was done before. */
  readonly finished: boolean;
}

/** Shows a grid. */
export interface GridView {
  event(id: string, event: RunEvent): void;
  /** The training is done. */
  done(id: string): void;
  note(text: string): void;
  finish(): void;
}

interface State {
  readonly item: GridItem;
  iteration: number;
  iterations: number;
  /** Attacks done, and the fraction of the one under way. */
  attacks: number;
  attacking: number;
  activity: string;
  status: "waiting" | "running" | "done";
}

/** Milliseconds between lines of progress where nothing can be redrawn. */
const PLAIN_INTERVAL = 20_000;

/** The view for these trainings, of which `finished` ones only count. */
export function createGridView(items: readonly GridItem[], streams: Streams, json: boolean): GridView {
  const states = new Map(
    items.map((item) => [item.id, { item, iteration: 0, iterations: 0, attacks: 0, attacking: 0, activity: "", status: "waiting" } as State]),
  );
  const pending = items.filter((item) => !item.finished);
  const { stdout, stderr } = streams;
  const region = !json && stdout.isTTY ? new LiveRegion(stdout) : undefined;
  const paint = paintFor(stdout);
  const started = performance.now();
  let before = 0;
  let shown = started;

  const work = ({ item, iteration, iterations, attacks, attacking, status }: State): number => {
    if (status === "done") return item.estimate.train + item.estimate.attack;
    const attacked = item.attacks > 0 ? (attacks + attacking) / item.attacks : 0;
    return item.estimate.train * (iterations > 0 ? iteration / iterations : 0) + item.estimate.attack * Math.min(1, attacked);
  };
  const total = pending.reduce((sum, { estimate }) => sum + estimate.train + estimate.attack, 0);
  const workDone = (): number => pending.reduce((sum, { id }) => sum + work(states.get(id) as State), 0);
  const summary = (): { done: number; fraction: number; eta: number } => {
    const now = workDone();
    const rate = (now - before) / (performance.now() - started);
    return {
      done: [...states.values()].filter((state) => state.status === "done" || state.item.finished).length,
      fraction: total > 0 ? now / total : 1,
      eta: rate > 0 ? (total - now) / rate / 1000 : Number.NaN,
    };
  };
  const say = (text: string): unknown => (region ? region.log(text) : (json ? stderr : stdout).write(`${text}\n`));
  const overall = (): string => {
    const { done, fraction, eta } = summary();
    return statusLine(fraction, [`${done} of ${items.length} trainings`, `ETA ${duration(eta)}`], stdout.columns);
  };
  const redraw = (): void => {
    if (region) {
      const running = [...states.values()].filter((state) => state.status === "running");
      region.show([paint("bold", overall()), ...running.map(({ item, activity }) => `  ${item.label}  ${activity}`)]);
    } else if (!json && performance.now() - shown > PLAIN_INTERVAL) {
      shown = performance.now();
      say(overall());
    }
  };

  return {
    event(id, event) {
      const state = states.get(id);
      if (!state) return;
      state.status = "running";
      update(state, event);
      // What a resumed training had done before is no measure of speed.
      if (event.type === "start") before += work(state);
      if (json) {
        stdout.write(`${JSON.stringify({ run: id, ...event })}\n`);
        if (event.type === "evaluation" || event.type === "robustness") {
          const { done, fraction, eta } = summary();
          stdout.write(`${JSON.stringify({ type: "grid", done, total: items.length, fraction, etaSeconds: Number.isFinite(eta) ? eta : null })}\n`);
        }
      } else if (event.type === "catastrophic-overfitting") {
        say(paint("red", `${state.item.label}: catastrophic overfitting at epoch ${event.epoch.toFixed(1)}: ${event.evidence}`));
      } else if (event.type === "robustness") say(`${state.item.label}: ${describeRobustness(event.record)}`);
      redraw();
    },
    done(id) {
      const state = states.get(id);
      if (state) state.status = "done";
      redraw();
    },
    note: say,
    finish() {
      region?.clear();
    },
  };
}

function update(state: State, event: RunEvent): void {
  switch (event.type) {
    case "run":
      state.activity = event.resumed ? "resuming" : "starting";
      break;
    case "start":
      state.iterations = event.iterations;
      state.iteration = event.iteration;
      break;
    case "step":
      state.iteration = event.iteration;
      state.activity = `epoch ${event.epoch.toFixed(1)}  loss ${decimals(event.loss, 3)}  ${count(event.imagesPerSecond)} images/s`;
      break;
    case "evaluation":
      state.iteration = event.evaluation.iteration;
      state.activity = `epoch ${event.evaluation.epoch.toFixed(1)}  PGD ${percent(event.evaluation.test_pgd_acc)}`;
      break;
    case "attacking":
      state.attacking = event.done / event.total;
      state.activity = `${attackName(event.attack)} on ${event.which}, ${event.done} of ${event.total} images`;
      break;
    case "robustness":
      state.attacks++;
      state.attacking = 0;
      break;
  }
}
