/**
 * @file What is shown while training: JSON lines, plain lines on a pipe, or live progress on a terminal.
 *
 * One view serves one run as well as several that train side by side; the three kinds get the same events.
 */
import type { Evaluation } from "@gradalign/robustness";
import { attackName, count, decimals, duration, percent, type RunEvent, type RunView } from "@gradalign/runs";
import { LiveRegion } from "./live-region.ts";
import { fittingParts, progressBar, sparkline, statusLine } from "./progress-bar.ts";
import { describeEvent, evaluationHeading } from "./run-events.ts";
import type { Streams } from "./streams.ts";
import { paintFor } from "./style.ts";

/** Shows runs as they train. */
export interface TrainingView extends RunView {
  /** Leaves the terminal in order. */
  finish(): void;
}

/** Options of {@link createTrainingView}. */
export interface TrainingViewOptions {
  readonly streams: Streams;
  readonly json: boolean;
  /** Labels of the runs in the order of their lines. */
  readonly runs: readonly string[];
  /** Whether a terminal shows evaluations in the live lines alone, and a pipe only one an epoch. */
  readonly compact?: boolean;
}

/** The view that fits the output. */
export function createTrainingView(options: TrainingViewOptions): TrainingView {
  if (options.json) return jsonView(options);
  return options.streams.stdout.isTTY ? liveView(options) : plainView(options);
}

function jsonView({ streams, runs }: TrainingViewOptions): TrainingView {
  return {
    event(run, event) {
      streams.stdout.write(`${JSON.stringify(runs.length > 1 ? { run, ...event } : event)}\n`);
    },
    note: (text) => streams.stderr.write(`${text}\n`),
    finish() {},
  };
}

function plainView({ streams, runs, compact = false }: TrainingViewOptions): TrainingView {
  const write = (text: string) => streams.stdout.write(`${text}\n`);
  const prefix = prefixFor(runs);
  const speeds = new Map<string, number>();
  const shownEpoch = new Map<string, number>();
  let headed = false;
  return {
    event(run, event) {
      if (event.type === "step") speeds.set(run, event.imagesPerSecond);
      if (event.type === "evaluation") {
        const { epoch } = event.evaluation;
        if (compact && Math.floor(epoch) <= (shownEpoch.get(run) ?? -1)) return;
        shownEpoch.set(run, Math.floor(epoch));
        if (!headed) write(`${prefix("")}${evaluationHeading()}`);
        headed = true;
      }
      // Several runs end in one report of their own, and in a table of their outcomes.
      if (compact && (event.type === "report" || event.type === "outcome")) return;
      for (const line of describeEvent(event, speeds.get(run), (_, text) => text)) write(`${prefix(run)}${line}`);
    },
    note: write,
    finish() {},
  };
}

/** What a live line shows of a run. */
interface Progress {
  iterations: number;
  iteration: number;
  epoch: number;
  loss: number;
  speed: number;
  eta: number;
  latest: Evaluation | undefined;
  readonly pgd: number[];
  /** The attack after training: its fraction done, and when it began there. */
  attack: { readonly name: string; fraction: number; readonly from: number; readonly began: number } | null;
  activity: string;
}

function liveView({ streams, runs, compact = false }: TrainingViewOptions): TrainingView {
  const { stdout } = streams;
  const paint = paintFor(stdout);
  const region = new LiveRegion(stdout);
  const prefix = prefixFor(runs);
  const states = new Map<string, Progress>();
  let headed = false;
  let finished = false;
  const lines = () => [
    ...(compact ? [paint("dim", `${prefix("")}${compactHeading((stdout.columns || 80) - prefix("").length)}`)] : []),
    ...runs.flatMap((run) => {
      const state = states.get(run);
      const columns = (stdout.columns || 80) - prefix(run).length;
      return state ? [`${paint("bold", prefix(run))}${compact ? compactLine(state, columns) : progressLine(state, columns)}`] : [];
    }),
  ];
  return {
    event(run, event) {
      const state = states.get(run) ?? {
        iterations: 0,
        iteration: 0,
        epoch: 0,
        loss: Number.NaN,
        speed: 0,
        eta: Number.NaN,
        latest: undefined,
        pgd: [],
        attack: null,
        activity: "compiling",
      };
      states.set(run, state);
      update(state, event);
      // Before the lines that stay, which are drawn at once and with it.
      region.show(lines());
      const isRow = event.type === "evaluation";
      if (!(compact && (isRow || event.type === "report" || event.type === "outcome"))) {
        if (isRow && !headed) region.log(paint("dim", `${prefix("")}${evaluationHeading()}`));
        headed ||= isRow;
        for (const line of describeEvent(event, state.speed, paint)) region.log(`${prefix(run)}${line}`);
      }
    },
    note: (text) => region.log(text),
    finish() {
      if (finished) return;
      finished = true;
      if (compact) region.finish();
      else region.clear();
    },
  };
}

function update(state: Progress, event: RunEvent): void {
  switch (event.type) {
    case "start":
      state.iterations = event.iterations;
      state.iteration = event.iteration;
      state.activity = "";
      break;
    case "step":
      state.iteration = event.iteration;
      state.epoch = event.epoch;
      state.loss = event.loss;
      state.speed = event.imagesPerSecond;
      state.eta = event.etaSeconds;
      break;
    case "evaluation":
      state.latest = event.evaluation;
      state.iteration = event.evaluation.iteration;
      state.epoch = event.evaluation.epoch;
      state.pgd.push(event.evaluation.test_pgd_acc);
      break;
    case "end":
      state.activity = event.interrupted ? "interrupted" : "done";
      break;
    case "attacking": {
      const name = `${attackName(event.attack)} on ${event.which}`;
      const fraction = event.done / event.total;
      if (state.attack?.name === name) state.attack.fraction = fraction;
      else state.attack = { name, fraction, from: fraction, began: performance.now() };
      break;
    }
    case "robustness":
      state.attack = null;
      break;
    case "report":
      state.activity = "done";
      break;
  }
}

/** Fraction done of what is going on, and seconds until it is. */
function progressOf({ attack, iteration, iterations, eta }: Progress): { fraction: number; eta: number } {
  if (!attack) return { fraction: iterations > 0 ? iteration / iterations : 0, eta };
  const { fraction, from, began } = attack;
  return { fraction, eta: (((performance.now() - began) / 1000) * (1 - fraction)) / (fraction - from) };
}

function progressLine(state: Progress, columns: number): string {
  const { fraction, eta } = progressOf(state);
  const { attack, activity, epoch, speed, loss } = state;
  const parts = attack
    ? ["final attack", `ETA ${duration(eta)}`, attack.name]
    : [`epoch ${epoch.toFixed(1)}`, ...(activity ? [activity] : [`ETA ${duration(eta)}`, `${count(speed)} images/s`, `loss ${decimals(loss, 3)}`])];
  return statusLine(fraction, parts, columns);
}

const SPARK_COLUMNS = 16;

/** A narrow terminal has a shorter bar and no curve. */
function compactColumns(columns: number): { bar: number; curve: boolean } {
  return columns < 92 ? { bar: 8, curve: false } : { bar: 14, curve: true };
}

function compactHeading(columns: number): string {
  const { bar, curve } = compactColumns(columns);
  return `${"".padEnd(bar + 1)}epoch   clean    FGSM     PGD  align${curve ? "  PGD so far" : ""}`;
}

function compactLine(state: Progress, columns: number): string {
  const { fraction, eta } = progressOf(state);
  const { bar, curve } = compactColumns(columns);
  const { latest, attack, activity } = state;
  const cells = [
    state.epoch.toFixed(1).padStart(5),
    percent(latest?.test_clean_acc).padStart(7),
    percent(latest?.test_fgsm_acc).padStart(7),
    percent(latest?.test_pgd_acc).padStart(7),
    decimals(latest?.gradient_alignment, 2).padStart(5),
  ];
  const course = curve ? `  ${sparkline(thin(state.pgd, SPARK_COLUMNS), SPARK_COLUMNS, 0.25).padEnd(SPARK_COLUMNS)}` : "";
  const line = `${progressBar(fraction, bar)} ${cells.join(" ")}${course}`;
  const rest = attack ? [`final attack ${Math.floor(100 * fraction)} %`, `ETA ${duration(eta)}`] : [activity || `ETA ${duration(eta)}`];
  return line + fittingParts(rest, columns - 1 - line.length);
}

/** So many values, evenly taken, the last among them. */
function thin(values: readonly number[], most: number): number[] {
  if (values.length <= most) return [...values];
  return Array.from({ length: most }, (_, i) => values[Math.round(((i + 1) * values.length) / most) - 1] as number);
}

/** Labels flush left in one column, or nothing for a single run. */
function prefixFor(runs: readonly string[]): (run: string) => string {
  const width = Math.max(...runs.map((run) => run.length));
  return runs.length > 1 ? (run) => `${run.padEnd(width)}  ` : () => "";
}
