/** @file What the page knows: the state of everything shown, what the worker reports, what people ask for. Nothing here draws. */
import { type Evaluation, majorityShare, type Outcome, runOutcome, type TrainConfig, type TrainEvent } from "@gradalign/robustness";
import { bytes, count, duration } from "@gradalign/runs";
import { bounded } from "../bounded.ts";
import {
  type Backend,
  type BySide,
  type Command,
  type DataDescription,
  type DeviceDescription,
  type Look,
  type Report,
  SIDES,
  type Side,
} from "../protocol.ts";
import { trainConfigOf } from "../train-config.ts";
import TrainingWorker from "../training/worker.ts?worker";
import { type Address, messageOf, readAddress, settingsOf, writeAddress } from "./address.ts";
import type { Choice, Preset } from "./presets.ts";

/** What can be done now. */
export type Phase = "loading" | "idle" | "training" | "pausing" | "paused" | "stopping" | "broken";

/** A training as the page knows it. */
export interface Run {
  readonly label: string;
  readonly config: TrainConfig;
  /** At most {@link MOST_EVALUATIONS}, evenly over what has been. */
  readonly evaluations: readonly Evaluation[];
  /** Said by the detector; null while there is nothing to say. */
  readonly overfitting: { readonly iteration: number; readonly epoch: number; readonly evidence: string } | null;
  readonly iterations: number;
  readonly step: Extract<TrainEvent, { type: "step" }> | null;
  readonly end: "ended" | "stopped" | "failed" | null;
}

/** All that is shown. */
export interface State {
  readonly phase: Phase;
  readonly headline: string;
  /** Share of what is going on that is done. */
  readonly progress: number;
  readonly numbers: readonly string[];
  readonly device: DeviceDescription | null;
  readonly problem: string | null;
  readonly data: DataDescription | null;
  readonly address: Address;
  /** Pixels of an image of one's own that is looked at instead of the test image. */
  readonly own: Float32Array | null;
  readonly runs: BySide<Run> | null;
  readonly looks: Partial<BySide<Look>>;
}

/** More evaluations than this are thinned. */
const MOST_EVALUATIONS = 512;
/** The data set that settings are for until the server's is known. */
const EXPECTED = { name: "cifar10", flip: true, crop: 4 };

/** The page's state, and all ways to change it. */
export class Studio {
  #state: State;
  readonly #watchers = new Set<() => void>();
  readonly #worker = new TrainingWorker();
  #round = 0;
  /** Whether what is made of the image is in sight: else nobody looks. */
  #inSight = false;

  constructor(search: string) {
    const { address, problems } = readAddress(search);
    this.#state = {
      phase: "loading",
      headline: "Fetching the images",
      progress: 0,
      numbers: [],
      device: null,
      problem: problems.length > 0 ? problems.join(" ") : null,
      data: null,
      address,
      own: null,
      runs: null,
      looks: {},
    };
    this.#worker.onmessage = ({ data }: MessageEvent<Report>) => this.#receive(data);
    this.#worker.onerror = ({ message }) => this.#break(`The training worker failed: ${message || "its script could not be loaded"}. Load this page again.`);
    this.#send({ type: "load" });
    this.#look();
  }

  get state(): State {
    return this.#state;
  }

  /** Calls a function after every change; returns how to end that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The complete settings of a side, or in words why they are none. */
  config(side: Side): TrainConfig | string {
    try {
      return trainConfigOf(settingsOf(this.#state.address.choice, side), this.#state.data ?? EXPECTED);
    } catch (error) {
      return messageOf(error);
    }
  }

  choose(choice: Choice): void {
    this.#move({ choice, claim: null });
  }

  /** Settings of a claim of the paper. */
  choosePreset({ id, choice }: Preset): void {
    this.#move({ choice, claim: id });
  }

  chooseBackend(backend: Backend): void {
    this.#move({ backend });
  }

  choosePace(pace: number | null): void {
    this.#move({ pace });
    this.#send({ type: "pace", pace });
  }

  /** Shows the models of an epoch; null for those of now. */
  goTo(at: number | null): void {
    this.#move({ at });
    this.#look();
  }

  lookAt(image: number | Float32Array): void {
    if (typeof image === "number") {
      this.#set({ own: null });
      this.#move({ image });
    } else this.#set({ own: image });
    this.#look();
  }

  /** Says whether the image's part of the page can be seen. */
  see(inSight: boolean): void {
    if (inSight === this.#inSight) return;
    this.#inSight = inSight;
    this.#look();
  }

  /** Sets a filter to zero for whoever looks, or takes it back. */
  toggleFilter(side: Side, filter: number): void {
    const { zeroed } = this.#state.address;
    const rest = zeroed[side].filter((other) => other !== filter);
    this.#move({ zeroed: { ...zeroed, [side]: rest.length < zeroed[side].length ? rest : [...rest, filter].sort((a, b) => a - b) } });
    this.#look();
  }

  chooseDirection(direction: Address["direction"]): void {
    this.#move({ direction });
    this.#look();
  }

  start(): void {
    const { address, phase } = this.#state;
    if (phase !== "idle") return;
    const [left, right] = SIDES.map((side) => this.config(side));
    const wrong = [left, right].find((config) => typeof config === "string");
    if (wrong !== undefined || left === undefined || right === undefined) return this.#set({ problem: typeof wrong === "string" ? wrong : null });
    const run = (config: TrainConfig | string): Run => ({
      label: labelOf(config as TrainConfig),
      config: config as TrainConfig,
      evaluations: [],
      overfitting: null,
      iterations: 0,
      step: null,
      end: null,
    });
    const { choice, backend, pace } = address;
    this.#move({ at: null });
    this.#set({
      phase: "training",
      headline: "Compiling",
      progress: 0,
      numbers: ["the first measurement comes before the first step"],
      problem: null,
      runs: { left: run(left), right: run(right) },
      looks: {},
    });
    this.#look();
    this.#send({ type: "train", round: ++this.#round, settings: { left: settingsOf(choice, "left"), right: settingsOf(choice, "right") }, backend, pace });
  }

  pause(): void {
    this.#set({ phase: "pausing", headline: "Pausing" });
    this.#send({ type: "pause" });
  }

  resume(): void {
    this.#set({ phase: "training", headline: "Going on", problem: null });
    this.#send({ type: "continue" });
  }

  stop(): void {
    this.#set({ phase: "stopping", headline: "Stopping" });
    this.#send({ type: "stop" });
  }

  /** Fetches the images again, after they could not be had. */
  retry(): void {
    this.#set({ phase: "loading", headline: "Fetching the images", problem: null });
    this.#send({ type: "load" });
  }

  dismiss(): void {
    this.#set({ problem: null });
  }

  /** How a training stands: what the detector said, else what its last numbers say. */
  outcome({ evaluations, overfitting, config, end }: Run): Pick<Outcome, "kind" | "evidence"> | null {
    const { data } = this.#state;
    if (!data || evaluations.length === 0) return null;
    if (overfitting) return { kind: "overfitted", evidence: overfitting.evidence };
    const majority = majorityShare(data.testLabels.subarray(0, config.evalExamples));
    const outcome = runOutcome(evaluations, 1 / data.classNames.length, config.method.name !== "standard", majority);
    // While a run goes on it may have learned nothing yet.
    return outcome && (end !== null || outcome.kind === "diverged" || outcome.kind === "healthy") ? outcome : { kind: "healthy", evidence: "" };
  }

  #receive(report: Report): void {
    switch (report.type) {
      case "data":
        this.#set({
          progress: report.totalBytes === 0 ? 0 : report.receivedBytes / report.totalBytes,
          numbers: [`${bytes(report.receivedBytes)} of ${bytes(report.totalBytes)}, each part checked`, duration(report.etaSeconds)],
        });
        break;
      case "ready": {
        const { name, trainImages, testLabels } = report.data;
        const numbers = [`${count(trainImages)} training and ${count(testLabels.length)} test images of ${name}`];
        this.#set({ phase: "idle", data: report.data, headline: "Ready", progress: 0, numbers });
        break;
      }
      case "device":
        this.#set({ device: report.device });
        break;
      case "training":
        if (report.round === this.#round) this.#receiveEvent(report.side, report.event);
        break;
      case "look":
        this.#set({ looks: { ...this.#state.looks, [report.side]: report.look } });
        break;
      case "paused":
        if (report.round === this.#round) this.#set({ phase: "paused", headline: "Paused" });
        break;
      case "ended":
        if (report.round === this.#round) this.#end(this.#state.phase === "stopping" ? "stopped" : "ended");
        break;
      case "failed":
        if (report.round === null) this.#break(`The images could not be had: ${report.message}`);
        else if (report.round !== this.#round) return;
        else if (report.from === null) {
          this.#set({ problem: report.message });
          this.#end("failed");
        } else {
          const problem = `${report.message}. “Continue” does so, from iteration ${count(report.from)}, with the same bits as without the interruption.`;
          this.#set({ problem, phase: "paused", headline: "Interrupted" });
        }
    }
  }

  #receiveEvent(side: Side, event: TrainEvent): void {
    const run = this.#state.runs?.[side];
    if (!run) return;
    switch (event.type) {
      case "start":
        this.#update(side, { iterations: event.iterations });
        break;
      case "step":
        this.#update(side, { step: event });
        this.#showSteps();
        break;
      case "evaluation": {
        // A run that went on from before its last evaluation does it again.
        const before = run.evaluations.filter(({ iteration }) => iteration < event.evaluation.iteration);
        const evaluations = [...before, event.evaluation];
        this.#update(side, { evaluations: bounded(evaluations, MOST_EVALUATIONS, ({ iteration }) => iteration) });
        break;
      }
      case "catastrophic-overfitting":
        this.#update(side, { overfitting: event });
        this.#set({ headline: `${run.label}: overfitted at epoch ${event.epoch.toFixed(1)}` });
        break;
    }
  }

  #update(side: Side, change: Partial<Run>): void {
    const { runs } = this.#state;
    if (runs) this.#set({ runs: { ...runs, [side]: { ...runs[side], ...change } } });
  }

  /** Both are level, so either tells how far they are. */
  #showSteps(): void {
    const { runs, phase, headline } = this.#state;
    const steps = SIDES.flatMap((side) => runs?.[side].step ?? []);
    const [first] = steps;
    if (!runs || !first || (phase !== "training" && phase !== "pausing")) return;
    const speed = steps.reduce((sum, { imagesPerSecond }) => sum + imagesPerSecond, 0);
    this.#set({
      headline: headline === "Compiling" || headline === "Going on" ? "Training" : headline,
      progress: first.iteration / runs.left.iterations,
      numbers: [
        `iteration ${count(first.iteration)} of ${count(runs.left.iterations)}, epoch ${first.epoch.toFixed(1)}`,
        `${count(speed)} images/s, ${duration(Math.max(...steps.map(({ etaSeconds }) => etaSeconds)))} left`,
      ],
    });
  }

  #end(how: "ended" | "stopped" | "failed"): void {
    for (const side of SIDES) this.#update(side, { end: how });
    const last = this.#state.runs?.left.evaluations.at(-1);
    const numbers = last ? [`iteration ${count(last.iteration)} of ${count(this.#state.runs?.left.iterations ?? 0)}, epoch ${last.epoch.toFixed(1)}`] : [];
    this.#set({ phase: "idle", headline: { ended: "Done", stopped: "Stopped", failed: "Failed" }[how], numbers });
  }

  #break(problem: string): void {
    this.#set({ phase: "broken", headline: "Not working", problem });
  }

  #look(): void {
    const { address, own } = this.#state;
    const { image, at, zeroed, direction } = address;
    this.#send({ type: "look", subject: this.#inSight ? { image: own ?? image, at, zeroed, direction } : null });
  }

  #send(command: Command): void {
    this.#worker.postMessage(command);
  }

  /** Changes what the address keeps. */
  #move(change: Partial<Address>): void {
    this.#set({ address: { ...this.#state.address, ...change } });
    const query = writeAddress(this.#state.address);
    history.replaceState(null, "", `${location.pathname}?${query}`);
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const watcher of this.#watchers) watcher();
  }
}

/** A method's name as people write it. */
export function methodLabel(id: string): string {
  return id
    .split("-")
    .map((part) => (part === "gradalign" ? "+ GradAlign" : part.length <= 4 ? part.toUpperCase() : part))
    .join("-")
    .replace("-+", " +");
}

/** Names a training. */
function labelOf({ method, epsilon, seed }: TrainConfig): string {
  return `${methodLabel(method.name)}, ε ${Number((255 * epsilon).toFixed(4))}/255, seed ${seed}`;
}
