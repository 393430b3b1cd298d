/** @file The page: its form and buttons, what the training worker reports, and when to draw. */
import { type Evaluation, type Labels, majorityShare, runOutcome } from "@gradalign/robustness";
import { bytes, count, duration, levelsRemedy, readLevels, VERDICTS } from "@gradalign/runs";
import { type Curve, drawPanel, latestValue, PANELS } from "./charts.ts";
import type { Command, LiveBackend, LiveMethod, Report, RunSettings } from "./protocol.ts";
import TrainingWorker from "./worker.ts?worker";

type PageState = "loading" | "idle" | "training" | "pausing" | "paused" | "stopping" | "broken";

/** A run as the page knows it. */
interface Run {
  readonly number: number;
  readonly label: string;
  /** Number of its colour. */
  readonly color: number;
  readonly settings: RunSettings;
  readonly evaluations: Evaluation[];
  readonly card: HTMLElement;
  /** Said by the detector; null while there is nothing to say. */
  overfitting: { readonly iteration: number; readonly epoch: number; readonly evidence: string } | null;
  iterations: number;
  end: "ended" | "stopped" | "failed" | null;
}

const METHOD_LABELS: Readonly<Record<LiveMethod, string>> = { fgsm: "FGSM", "fgsm-gradalign": "FGSM + GradAlign" };
/** The colours of the reports' runs. */
const COLORS = 8;

const element = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;
const main = document.querySelector("main") as HTMLElement;
const form = element<HTMLFormElement>("settings");
const buttons = Object.fromEntries(["start", "pause", "stop", "clear", "save"].map((id) => [id, element<HTMLButtonElement>(id)])) as Record<
  "start" | "pause" | "stop" | "clear" | "save",
  HTMLButtonElement
>;

const worker = new TrainingWorker();
const send = (command: Command): void => worker.postMessage(command);

let state: PageState = "loading";
let runs: Run[] = [];
/** Runs asked for that have not begun. */
let queue: RunSettings[] = [];
let backend: LiveBackend = "auto";
let created = 0;
/** Classes of the data set; one in so many guesses is right. */
let classes = 10;
/** Of the test images, the first of which evaluations use. */
let testLabels: Labels = new Uint8Array();

worker.onmessage = ({ data: report }: MessageEvent<Report>) => receive(report);
worker.onerror = (event) => fail(`The training worker failed: ${event.message || "its script could not be loaded"}. Load this page again.`);

function receive(report: Report): void {
  switch (report.type) {
    case "data":
      show("Fetching the images", report.receivedBytes / report.totalBytes, [
        `${bytes(report.receivedBytes)} of ${bytes(report.totalBytes)}, each part checked`,
        duration(report.etaSeconds),
      ]);
      break;
    case "ready":
      show("Ready", 0, [`${count(report.data.trainImages)} training and ${count(report.data.testLabels.length)} test images of ${report.data.name}`]);
      ({ classes, testLabels } = report.data);
      form["trainSize"].max = String(report.data.trainImages);
      form["evalExamples"].max = String(report.data.testLabels.length);
      enter("idle");
      break;
    case "device": {
      const { backend: name, threads, remark } = report.device;
      const what = name === "wasm" ? `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}` : name === "webgpu" ? "WebGPU" : name;
      element("device").textContent = remark ? `${what} (${remark})` : what;
      break;
    }
    case "training":
      receiveEvent(runOf(report.run), report.event);
      break;
    case "paused":
      element("headline").textContent = `${runOf(report.run).label}: paused`;
      enter("paused");
      break;
    case "ended":
      endRun(runOf(report.run), state === "stopping" ? "stopped" : "ended");
      break;
    case "failed":
      if (report.run === null) fail(`The images could not be had: ${report.message}`);
      else {
        const run = runOf(report.run);
        if (report.from === null) {
          problem(`${run.label}: ${report.message}`);
          endRun(run, "failed");
        } else {
          problem(`${run.label}: ${report.message}. “Continue” does so, from iteration ${count(report.from)}, with the same bits as without the interruption.`);
          element("headline").textContent = `${run.label}: interrupted`;
          enter("paused");
        }
      }
  }
}

function receiveEvent(run: Run, event: Extract<Report, { type: "training" }>["event"]): void {
  switch (event.type) {
    case "start":
      run.iterations = event.iterations;
      if (state === "training") show(`${run.label}: training`, event.iteration / event.iterations, [`iteration ${count(event.iteration)}`]);
      break;
    case "step":
      show(null, event.iteration / run.iterations, [
        `iteration ${count(event.iteration)} of ${count(run.iterations)}, epoch ${event.epoch.toFixed(1)}, loss ${event.loss.toFixed(3)}`,
        `${count(event.imagesPerSecond)} images/s, ${duration(event.etaSeconds)} left`,
      ]);
      break;
    case "evaluation": {
      // A run that went on from before its last evaluation does it again.
      const again = run.evaluations.findIndex(({ iteration }) => iteration >= event.evaluation.iteration);
      if (again >= 0) run.evaluations.length = again;
      run.evaluations.push(event.evaluation);
      redraw();
      break;
    }
    case "catastrophic-overfitting":
      run.overfitting = event;
      element("headline").textContent = `${run.label}: overfitted at epoch ${event.epoch.toFixed(1)}`;
      redraw();
      break;
  }
}

function startNext(): void {
  const settings = queue.shift();
  if (!settings) return;
  const label = labelOf(settings);
  const card = document.createElement("article");
  const run: Run = { number: created++, label, color: freeColor(), settings, evaluations: [], card, overfitting: null, iterations: 0, end: null };
  card.className = "card run";
  element("runs").append(card);
  runs.push(run);
  enter("training");
  show(`${label}: compiling`, 0, ["the first evaluation comes before the first step"]);
  redraw();
  send({ type: "train", run: run.number, settings, backend });
}

/** The first colour that fewest runs have. */
function freeColor(): number {
  const used = Array.from({ length: COLORS }, (_, color) => runs.filter((run) => run.color === color).length);
  return used.indexOf(Math.min(...used));
}

const colorOf = ({ color }: Run): string => `var(--run-${1 + color})`;

/** Takes a run that has ended off the page. */
function remove(run: Run): void {
  run.card.remove();
  runs = runs.filter((other) => other !== run);
  redraw();
  enter(state);
}

function endRun(run: Run, how: "ended" | "stopped" | "failed"): void {
  run.end = how;
  if (how !== "ended") queue = [];
  const last = run.evaluations.at(-1);
  const numbers = last ? [`iteration ${count(last.iteration)} of ${count(run.iterations)}, epoch ${last.epoch.toFixed(1)}`, duration(last.seconds)] : [];
  show(`${run.label}: ${how}`, last ? last.iteration / run.iterations : 0, numbers);
  redraw();
  enter("idle");
  startNext();
}

/** Steps of 1/255 that are meant by `10` or `10/255`; undefined where it could be something else. */
function epsilonOf(text: string): number | undefined {
  const levels = readLevels(numberOrText(text));
  return levels !== undefined && levels <= MAX_EPSILON ? levels : undefined;
}

const numberOrText = (text: string): number | string => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text));
const MAX_EPSILON = 64;

const epsilonField = form["epsilon"] as HTMLInputElement;
epsilonField.addEventListener("input", () => {
  const { value } = epsilonField;
  const wrong = epsilonOf(value) === undefined;
  epsilonField.setCustomValidity(wrong ? `ε is 0 or from 1 to ${MAX_EPSILON}, in steps of 1/255: ${levelsRemedy(numberOrText(value))}` : "");
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const value = (name: string): string => (form[name] as HTMLInputElement).value;
  const { method } = Object.fromEntries(new FormData(form)) as { method: LiveMethod | "both" };
  const methods: readonly LiveMethod[] = method === "both" ? ["fgsm", "fgsm-gradalign"] : [method];
  backend = value("backend") as LiveBackend;
  queue = methods.map((name) => ({
    method: name,
    epsilon: epsilonOf(value("epsilon")) ?? 0,
    seed: Number(value("seed")),
    epochs: Number(value("epochs")),
    trainSize: value("trainSize") === "" ? null : Number(value("trainSize")),
    evalEvery: Number(value("evalEvery")),
    evalExamples: Number(value("evalExamples")),
  }));
  problem(null);
  startNext();
});
buttons.pause.addEventListener("click", () => {
  if (state === "paused") {
    problem(null);
    element("headline").textContent = "Going on";
    enter("training");
    send({ type: "continue" });
  } else {
    element("headline").textContent = "Pausing";
    enter("pausing");
    send({ type: "pause" });
  }
});
buttons.stop.addEventListener("click", () => {
  enter("stopping");
  send({ type: "stop" });
});
buttons.clear.addEventListener("click", () => {
  for (const run of runs) run.card.remove();
  runs = [];
  redraw();
  enter(state);
});
buttons.save.addEventListener("click", () => {
  const records = runs.map(({ label, settings, overfitting, end, evaluations }) => ({ label, settings, overfitting, end, evaluations }));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(records, null, 1)], { type: "application/json" }));
  link.download = "gradalign-live.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});
// A run lives in this page only.
addEventListener("beforeunload", (event) => {
  if (runs.every((run) => run.end !== null)) return;
  event.preventDefault();
  // What browsers before 2024 look at.
  event.returnValue = true;
});

/** Goes to a state and lets the buttons do what they can do there. */
function enter(next: PageState): void {
  state = next;
  main.dataset["state"] = next;
  for (const id of ["fields", "more-fields"]) element<HTMLFieldSetElement>(id).disabled = next !== "idle" && next !== "loading";
  buttons.start.disabled = next !== "idle";
  buttons.pause.disabled = next !== "training" && next !== "paused";
  buttons.pause.textContent = next === "paused" ? "Continue" : "Pause";
  buttons.stop.disabled = next !== "training" && next !== "paused";
  buttons.clear.disabled = next !== "idle" || runs.length === 0;
  buttons.save.disabled = runs.length === 0;
}

function fail(message: string): void {
  problem(message);
  element("headline").textContent = "Not working";
  enter("broken");
}

function problem(message: string | null): void {
  const box = element("problem");
  box.hidden = message === null;
  box.textContent = message;
}

/** The progress section; a headline of null stays. */
function show(headline: string | null, fraction: number, numbers: readonly string[]): void {
  if (headline !== null) element("headline").textContent = headline;
  element<HTMLProgressElement>("progress").value = fraction;
  element("numbers").replaceChildren(...numbers.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
}

function runOf(number: number): Run {
  return runs.find((run) => run.number === number) as Run;
}

/** Names a run; another one of the same name gets a number. */
function labelOf({ method, epsilon, seed }: RunSettings): string {
  const label = `${METHOD_LABELS[method]}, ε ${epsilon}/255, seed ${seed}`;
  const taken = new Set(runs.map((run) => run.label));
  let free = label;
  for (let number = 2; taken.has(free); number++) free = `${label} (${number})`;
  return free;
}

const figures = PANELS.map((panel) => {
  const figure = document.createElement("figure");
  figure.className = "card";
  const [title, caption, drawing] = ["h3", "p", "div"].map((tag) => document.createElement(tag)) as [HTMLElement, HTMLElement, HTMLElement];
  title.textContent = panel.title;
  caption.textContent = panel.caption;
  caption.className = "caption";
  figure.append(title, caption, drawing);
  element("figures").append(figure);
  const pointer: { at: PointerEvent | null } = { at: null };
  drawing.addEventListener("pointermove", (event) => {
    if (event.isTrusted) pointer.at = event;
  });
  drawing.addEventListener("pointerleave", () => {
    pointer.at = null;
  });
  return { panel, drawing, pointer };
});

let scheduled = false;

/** Draws before the next frame, however often it is asked to. */
function redraw(): void {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const run of runs) drawCard(run);
    const curves = runs.map((run): Curve => {
      const { label, evaluations, overfitting } = run;
      return { label, color: colorOf(run), epochs: lastEpoch(run), evaluations, overfitting: overfitting?.epoch ?? null };
    });
    for (const { panel, drawing, pointer } of figures) {
      const svg = drawPanel(panel, curves, Math.max(240, drawing.clientWidth));
      drawing.replaceChildren(svg);
      // The tooltip that was there is there again.
      if (pointer.at) svg.dispatchEvent(new PointerEvent("pointermove", { clientX: pointer.at.clientX, clientY: pointer.at.clientY, pointerType: "mouse" }));
    }
  });
}

/** Where a run's axis ends: a run that did not get to its last epoch has none beyond its last evaluation. */
function lastEpoch({ settings, evaluations, end }: Run): number {
  return end === null || end === "ended" ? settings.epochs : (evaluations.at(-1)?.epoch ?? 0);
}

function drawCard(run: Run): void {
  const { card, label, evaluations, overfitting, end } = run;
  const heading = document.createElement("h2");
  const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
  swatch.style.background = colorOf(run);
  const name = Object.assign(document.createElement("span"), { className: "label", textContent: label });
  heading.append(swatch, name);
  if (end !== null) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "remove", textContent: "Remove" });
    button.setAttribute("aria-label", `Remove ${label}`);
    button.addEventListener("click", () => remove(run));
    heading.append(button);
  }
  const values = Object.assign(document.createElement("div"), { className: "values" });
  for (const panel of PANELS) {
    const value = Object.assign(document.createElement("div"), { className: "value", textContent: latestValue(panel, evaluations) });
    value.dataset["key"] = panel.key;
    const cell = document.createElement("div");
    cell.append(value, Object.assign(document.createElement("div"), { className: "name", textContent: panel.short }));
    values.append(cell);
  }
  const verdict = Object.assign(document.createElement("p"), { className: "verdict-line" });
  // While a run goes on it may have learned nothing yet.
  const outcome = runOutcome(evaluations, 1 / classes, true, majorityShare(testLabels.subarray(0, run.settings.evalExamples)));
  const bad = overfitting === null && outcome !== null && (outcome.kind === "diverged" || (end !== null && outcome.kind !== "healthy")) ? outcome : null;
  const strong = (text: string) => Object.assign(document.createElement("strong"), { textContent: text });
  if (bad) verdict.append(strong(VERDICTS[bad.kind]), `: ${bad.evidence}.`);
  else if (overfitting) {
    const { iteration, epoch, evidence } = overfitting;
    verdict.append(strong(VERDICTS.overfitted), ` at iteration ${count(iteration)} (epoch ${epoch.toFixed(1)}): ${evidence}.`);
  } else if (end !== null && evaluations.length === 0) verdict.textContent = `It ${end} before the first measurement.`;
  else verdict.textContent = end === null ? "No catastrophic overfitting so far." : `No catastrophic overfitting; ${end} at epoch ${epochsOf(evaluations)}.`;
  card.classList.toggle("overfitted", overfitting !== null || bad !== null);
  card.replaceChildren(heading, values, verdict);
}

function epochsOf(evaluations: readonly Evaluation[]): string {
  return (evaluations.at(-1)?.epoch ?? 0).toFixed(1);
}

new ResizeObserver(redraw).observe(element("figures"));
redraw();
