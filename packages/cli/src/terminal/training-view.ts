/**
 * @file What is shown while training: JSON lines, plain lines on a pipe, or live progress on a terminal.
 *
 * One view serves one run as well as several that train side by side; the three kinds get the same events.
 */
import type { Evaluation, TrainEvent } from "gradalign";
import type { RobustnessRecord, RunMachine } from "../report/report-data.ts";
import { count, decimals, duration, percent } from "./format.ts";
import { LiveRegion } from "./live-region.ts";
import { progressBar, sparkline } from "./progress-bar.ts";
import type { Streams } from "./streams.ts";
import { type Paint, paintFor } from "./style.ts";

/** Events of a run: the library's, and what the command does around them. */
export type RunEvent =
  | TrainEvent
  | { readonly type: "run"; readonly directory: string; readonly description: string; readonly resumed: boolean; readonly machine: RunMachine }
  | { readonly type: "attacking"; readonly attack: string; readonly which: string; readonly done: number; readonly total: number }
  | { readonly type: "robustness"; readonly record: RobustnessRecord }
  | { readonly type: "report"; readonly path: string };

/** Shows runs as they train. */
export interface TrainingView {
  /** Takes an event of the run with this label. */
  event(run: string, event: RunEvent): void;
  /** A remark to the user; on stderr in JSON mode. */
  note(text: string): void;
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
  activity: string;
}

function liveView({ streams, runs, compact = false }: TrainingViewOptions): TrainingView {
  const { stdout } = streams;
  const paint = paintFor(stdout);
  const region = new LiveRegion(stdout);
  const prefix = prefixFor(runs);
  const states = new Map<string, Progress>();
  let headed = false;
  const lines = () => [
    ...(compact ? [paint("dim", `${prefix("")}${compactHeading()}`)] : []),
    ...runs.flatMap((run) => {
      const state = states.get(run);
      return state ? [`${paint("bold", prefix(run))}${compact ? compactLine(state) : progressLine(state)}`] : [];
    }),
  ];
  return {
    event(run, event) {
      const state = states.get(run) ?? { iterations: 0, iteration: 0, epoch: 0, loss: Number.NaN, speed: 0, eta: Number.NaN, latest: undefined, pgd: [], activity: "compiling" };
      states.set(run, state);
      update(state, event);
      const isRow = event.type === "evaluation";
      if (!(compact && isRow)) {
        if (isRow && !headed) region.log(paint("dim", `${prefix("")}${evaluationHeading()}`));
        headed ||= isRow;
        for (const line of describeEvent(event, state.speed, paint)) region.log(`${prefix(run)}${line}`);
      }
      region.show(lines());
    },
    note: (text) => region.log(text),
    finish() {
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
    case "attacking":
      state.activity = `${event.attack.toUpperCase()} on ${event.which} ${Math.round((100 * event.done) / event.total)} %`;
      break;
    case "report":
      state.activity = "done";
      break;
  }
}

function progressLine(state: Progress): string {
  const fraction = state.iterations > 0 ? state.iteration / state.iterations : 0;
  const rest = state.activity || `${count(state.speed)} images/s  ETA ${duration(state.eta)}  loss ${decimals(state.loss, 3)}`;
  return `${progressBar(fraction, 24)} ${String(Math.floor(100 * fraction)).padStart(3)} %  epoch ${state.epoch.toFixed(1)}  ${rest}`;
}

const SPARK_COLUMNS = 16;

function compactHeading(): string {
  return `${"".padEnd(15)}epoch   clean    FGSM     PGD  align  ${"PGD so far".padEnd(SPARK_COLUMNS)}`;
}

function compactLine(state: Progress): string {
  const fraction = state.iterations > 0 ? state.iteration / state.iterations : 0;
  const { latest } = state;
  const cells = [
    percent(latest?.test_clean_acc).padStart(7),
    percent(latest?.test_fgsm_acc).padStart(7),
    percent(latest?.test_pgd_acc).padStart(7),
    decimals(latest?.gradient_alignment, 2).padStart(5),
  ];
  const curve = sparkline(thin(state.pgd, SPARK_COLUMNS), SPARK_COLUMNS, 0.25).padEnd(SPARK_COLUMNS);
  const rest = state.activity || `ETA ${duration(state.eta)}`;
  return `${progressBar(fraction, 14)} ${state.epoch.toFixed(1).padStart(5)} ${cells.join(" ")}  ${curve}  ${rest}`;
}

/** So many values, evenly taken, the last among them. */
function thin(values: readonly number[], most: number): number[] {
  if (values.length <= most) return [...values];
  return Array.from({ length: most }, (_, i) => values[Math.round(((i + 1) * values.length) / most) - 1] as number);
}

const COLUMNS: readonly [heading: string, width: number, show: (evaluation: Evaluation) => string][] = [
  ["iteration", 9, (e) => count(e.iteration)],
  ["epoch", 5, (e) => e.epoch.toFixed(2)],
  ["loss", 6, (e) => decimals(e.train_loss, 3)],
  ["clean", 7, (e) => percent(e.test_clean_acc)],
  ["FGSM", 7, (e) => percent(e.test_fgsm_acc)],
  ["PGD", 7, (e) => percent(e.test_pgd_acc)],
  ["train PGD", 9, (e) => percent(e.train_pgd_acc)],
  ["align", 5, (e) => decimals(e.gradient_alignment, 2)],
  ["cos δ", 5, (e) => decimals(e.cos_fgsm_pgd, 2)],
];

function evaluationHeading(): string {
  return [...COLUMNS.map(([heading, width]) => heading.padStart(width)), "images/s"].join("  ");
}

/** The lines that stay of an event. */
function describeEvent(event: RunEvent, speed: number | undefined, paint: Paint): string[] {
  switch (event.type) {
    case "run":
      return [
        `${event.description}${event.resumed ? ", resumed" : ""}`,
        `${event.machine.backend}, ${event.machine.threads} thread${event.machine.threads === 1 ? "" : "s"}; run folder ${event.directory}`,
      ];
    case "start": {
      const from = event.iteration > 0 ? ` from step ${count(event.iteration)}` : "";
      return [`${count(event.parameters)} parameters, ${count(event.iterations)} steps${from}, compiled in ${decimals(event.compileMs / 1000, 1)} s`];
    }
    case "evaluation":
      return [[...COLUMNS.map(([, width, show]) => show(event.evaluation).padStart(width)), (speed ? count(speed) : "–").padStart(8)].join("  ")];
    case "catastrophic-overfitting":
      return [paint("red", `catastrophic overfitting at iteration ${count(event.iteration)}, epoch ${event.epoch.toFixed(1)}: ${event.evidence}`)];
    case "end":
      return event.interrupted ? [paint("yellow", `stopped after iteration ${count(event.iteration)}, checkpoint written`)] : [];
    case "robustness":
      return [describeRobustness(event.record)];
    case "report":
      return [`report: ${event.path}`];
    default:
      return [];
  }
}

/** An attack's outcome in one line. */
export function describeRobustness(record: RobustnessRecord): string {
  const [low, high] = record.confidence95;
  const attacked =
    record.attack === "none" ? "" : `, ${record.attack.toUpperCase()} ${percent(record.robustAccuracy)} (95 % interval ${percent(low)} to ${percent(high)})`;
  return `${record.which} (iteration ${count(record.iteration)}): clean ${percent(record.cleanAccuracy)}${attacked}, first ${count(record.n)} test images`;
}

/** Labels flush left in one column, or nothing for a single run. */
function prefixFor(runs: readonly string[]): (run: string) => string {
  const width = Math.max(...runs.map((run) => run.length));
  return runs.length > 1 ? (run) => `${run.padEnd(width)}  ` : () => "";
}
