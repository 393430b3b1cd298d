/** @file What the page knows: the state of everything shown, what the worker reports, what people ask for. Nothing here draws. */
import { majorityShare, type Outcome, runOutcome, type TrainConfig } from "@gradalign/robustness";
import { bytes, count, duration } from "@gradalign/runs";
import type { ModelChoice } from "../attack-protocol.ts";
import type { NamedFile } from "../files.ts";
import { type Backend, type BySide, type Command, type DataSource, type Look, type OpenedSide, type Report, SIDES, type Side } from "../protocol.ts";
import { trainConfigOf } from "../train-config.ts";
import TrainingWorker from "../training/worker.ts?worker";
import { type Address, messageOf, readAddress, settingsOf, writeAddress } from "./address.ts";
import { AttackRoom } from "./attack-room.ts";
import type { Choice, Preset } from "./presets.ts";
import { afterEnd, afterEvent, afterOpening } from "./reactions.ts";
import { saveFile } from "./save-file.ts";
import { type Draft, firstWrong, withDraft } from "./setting-field.tsx";
import { choiceOf } from "./settings-of-run.ts";
import { type Run, type State, unbegunRun } from "./state.ts";
import { Watched } from "./watched.ts";

/** The data set that settings are for until the server's is known. */
const EXPECTED = { name: "cifar10", flip: true, crop: 4 };

/** The page's state, and all ways to change it. */
export class Studio extends Watched<State> {
  readonly #worker = new TrainingWorker();
  /** The model that is attacked. */
  readonly attacks: AttackRoom = new AttackRoom((command) => this.#send(command));
  #round = 0;
  /** The address of images that are asked for; null for those beside the page. */
  #wanted: string | null;
  /** What there was before they were. */
  #before: Partial<State> = {};
  /** Whether what is made of the image is in sight: else nobody looks. */
  #inSight = false;

  constructor(search: string) {
    const { address, problems } = readAddress(search);
    super({
      phase: "loading",
      headline: "Fetching the images",
      progress: 0,
      numbers: [],
      device: null,
      problem: null,
      data: null,
      address,
      drafts: {},
      own: null,
      runs: null,
      looks: {},
      kept: [],
      keptProblem: null,
    });
    this.#wanted = address.data;
    this.#worker.onmessage = ({ data }: MessageEvent<Report>) => this.#receive(data);
    this.#worker.onerror = ({ message }) => this.#break(`The training worker failed: ${message || "its script could not be loaded"}. Load this page again.`);
    this.retry();
    if (problems.length > 0) this.set({ problem: problems.join(" ") });
    this.#look();
    void this.#fetchModel();
  }

  /** The complete settings of a side, or in words why they are none. */
  config(side: Side): TrainConfig | string {
    try {
      return trainConfigOf(settingsOf(this.state.address.choice, side), this.state.data ?? EXPECTED);
    } catch (error) {
      return messageOf(error);
    }
  }

  choose(choice: Choice): void {
    this.#move({ choice, claim: null });
  }

  /** Keeps what is wrong in a field of the form, or that nothing is. */
  setDraft(id: string, draft: Draft | null): void {
    const { drafts } = this.state;
    if (draft || id in drafts) this.set({ drafts: withDraft(drafts, id, draft) });
  }

  /** Why no training can be started with what is in the form; null if one can. */
  get wrong(): string | null {
    return firstWrong(this.state.drafts) ?? SIDES.map((side) => this.config(side)).find((config) => typeof config === "string") ?? null;
  }

  /** Settings of a claim of the paper. */
  choosePreset({ id, choice }: Preset): void {
    this.set({ drafts: {} });
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
      this.set({ own: null });
      this.#move({ image });
    } else this.set({ own: image });
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
    const { zeroed } = this.state.address;
    const rest = zeroed[side].filter((other) => other !== filter);
    this.#move({ zeroed: { ...zeroed, [side]: rest.length < zeroed[side].length ? rest : [...rest, filter].sort((a, b) => a - b) } });
    this.#look();
  }

  /** Takes the model that is attacked. */
  chooseModel(model: ModelChoice): void {
    this.#move({ model: null });
    this.attacks.choose(model);
  }

  chooseDirection(direction: Address["direction"]): void {
    this.#move({ direction });
    this.#look();
  }

  start(): void {
    const { address, phase } = this.state;
    if (phase !== "idle" || this.wrong !== null) return;
    const [left, right] = SIDES.map((side) => unbegunRun(this.config(side) as TrainConfig)) as [Run, Run];
    const runs = { left, right };
    const { choice, backend, pace } = address;
    this.#move({ at: null });
    this.set({
      phase: "training",
      headline: "Compiling",
      progress: 0,
      numbers: ["the first measurement comes before the first step"],
      problem: null,
      runs,
      looks: {},
    });
    this.#look();
    const settings = { left: settingsOf(choice, "left"), right: settingsOf(choice, "right") };
    this.#send({ type: "train", round: ++this.#round, settings, labels: { left: runs.left.label, right: runs.right.label }, backend, pace });
  }

  pause(): void {
    this.set({ phase: "pausing", headline: "Pausing" });
    this.#send({ type: "pause" });
  }

  resume(): void {
    this.set({ phase: "training", headline: "Going on", problem: null });
    this.#send({ type: "continue" });
  }

  stop(): void {
    this.set({ phase: "stopping", headline: "Stopping" });
    this.#send({ type: "stop" });
  }

  /** Opens a training that the browser keeps. */
  reopen(id: string): void {
    this.set({ problem: null });
    this.#send({ type: "reopen", round: ++this.#round, id, pace: this.state.address.pace });
  }

  forget(id: string): void {
    this.#send({ type: "forget", id });
  }

  /** Opens run folders. */
  openFolders(files: readonly NamedFile[]): void {
    const { choice, backend, pace } = this.state.address;
    this.set({ problem: null });
    const settings = { left: settingsOf(choice, "left"), right: settingsOf(choice, "right") };
    this.#send({ type: "open", round: ++this.#round, files, settings, backend, pace });
  }

  /** Saves a side as a file. */
  exportSide(side: Side, form: "run" | "safetensors"): void {
    this.#send({ type: "export", side, form });
  }

  /** Takes images from elsewhere; those that are here stay, with what was trained on them, until the others are. */
  load(from: DataSource): void {
    const { phase, headline, progress, numbers } = this.state;
    this.#before = { phase, headline, progress, numbers };
    this.set({ phase: "loading", headline: "Fetching the images", progress: 0, numbers: [], problem: null });
    this.#send({ type: "load", from });
  }

  /** Takes them from a list of parts, which the address keeps. */
  loadFrom(url: string): void {
    this.#wanted = url;
    this.retry();
  }

  /** Fetches the images that were asked for last, else those that lie beside the page. */
  retry(): void {
    const wanted = this.#wanted ?? "data/list.json";
    if (URL.canParse(wanted, document.baseURI)) this.load({ type: "list", url: new URL(wanted, document.baseURI).href });
    else this.#lack(`${wanted} is no address; write one such as https://example.org/data/list.json`);
  }

  dismiss(): void {
    this.set({ problem: null });
  }

  /** How a training stands: what the detector said, else what its last numbers say. */
  outcome({ evaluations, overfitting, config, end }: Run): Pick<Outcome, "kind" | "evidence"> | null {
    const { data } = this.state;
    if (!data || evaluations.length === 0) return null;
    if (overfitting) return { kind: "overfitted", evidence: overfitting.evidence };
    const majority = majorityShare(data.testLabels.subarray(0, config.evalExamples));
    const outcome = runOutcome(evaluations, 1 / data.classNames.length, config.method.name !== "standard", majority);
    // A run that has not come to its end may have learned nothing yet.
    return outcome && (end === "ended" || outcome.kind === "diverged" || outcome.kind === "healthy") ? outcome : { kind: "healthy", evidence: "" };
  }

  #receive(report: Report): void {
    switch (report.type) {
      case "data":
        this.set({
          progress: report.totalBytes === 0 ? 0 : report.receivedBytes / report.totalBytes,
          numbers: [`${bytes(report.receivedBytes)} of ${bytes(report.totalBytes)}, each part checked`, duration(report.etaSeconds)],
        });
        break;
      case "ready": {
        const { name, trainImages, testLabels } = report.data;
        const numbers = [`${count(trainImages)} training and ${count(testLabels.length)} test images of ${name}`];
        this.#round++;
        this.attacks.leave();
        this.set({ phase: "idle", data: report.data, headline: "Ready", progress: 0, numbers, runs: null, looks: {}, own: null });
        if (this.#wanted !== this.state.address.data) this.#move({ data: this.#wanted });
        this.#requireImage(testLabels.length);
        break;
      }
      case "device":
        this.set({ device: report.device });
        break;
      case "training":
        if (report.round === this.#round) this.set(afterEvent(this.state, report.side, report.event));
        break;
      case "look":
        this.#requireFilters(report.side, report.look);
        this.set({ looks: { ...this.state.looks, [report.side]: report.look } });
        break;
      case "paused":
        if (report.round === this.#round) this.set({ phase: "paused", headline: "Paused" });
        break;
      case "ended":
        if (report.round === this.#round) this.set(afterEnd(this.state, this.state.phase === "stopping" ? "stopped" : "ended"));
        break;
      case "failed":
        if (report.round === null) this.#lack(report.message);
        else if (report.round !== this.#round) return;
        else if (report.from === null) {
          this.set({ problem: report.message, ...afterEnd(this.state, "failed") });
        } else {
          const problem = `${report.message}. “Continue” does so, from iteration ${count(report.from)}, with the same bits as without the interruption.`;
          this.set({ problem, phase: "paused", headline: "Interrupted" });
        }
        break;
      case "kept":
        this.set({ kept: report.trainings, keptProblem: report.problem });
        break;
      case "opened":
        if (report.round === this.#round) this.#open(report.sides);
        break;
      case "exported":
        saveFile(report.name, report.content);
        break;
      case "refused":
        this.set({ problem: report.message });
        break;
      default:
        this.attacks.receive(report);
    }
  }

  /** Shows a training that was opened. */
  #open(sides: BySide<OpenedSide>): void {
    const { left, right } = sides;
    const choice = choiceOf({ left: left.config, right: right.config }, this.state.data ?? EXPECTED);
    this.#move({ at: null, choice, claim: null });
    this.set(afterOpening(sides));
    this.#look();
  }

  /** An address may ask for an image that there is not: the last one is shown, and said to be. */
  #requireImage(images: number): void {
    const { image } = this.state.address;
    if (image < images) return;
    this.#move({ image: images - 1 });
    this.#remark(`There is no test image ${image}, they go from 0 to ${images - 1}; the last one is shown.`);
  }

  /** Or for filters to be set to zero that the network has not. */
  #requireFilters(side: Side, { filters }: Look): void {
    const { zeroed } = this.state.address;
    const rest = filters ? zeroed[side].filter((filter) => filter < filters.shape[0]) : zeroed[side];
    if (!filters || rest.length === zeroed[side].length) return;
    this.#move({ zeroed: { ...zeroed, [side]: rest } });
    this.#remark(`The ${side} network has filters 1 to ${filters.shape[0]}; others cannot be set to zero.`);
  }

  /** Says something beside what is said already. */
  #remark(text: string): void {
    const { problem } = this.state;
    this.set({ problem: problem === null ? text : `${problem} ${text}` });
  }

  /** Images that were asked for could not be had: there are those that were here, or none. */
  #lack(why: string): void {
    const problem = `The images could not be had: ${why}`;
    if (this.state.data === null) return this.#break(problem);
    this.#wanted = this.state.address.data;
    this.set({ ...this.#before, problem: `${problem}. Those that were here stay.` });
  }

  #break(problem: string): void {
    this.set({ phase: "broken", headline: "Not working", problem });
  }

  /** Fetches the model that the address says. */
  async #fetchModel(): Promise<void> {
    const { model } = this.state.address;
    if (!model) return;
    try {
      const response = await fetch(`runs/model?${new URLSearchParams(model)}`);
      if (!response.ok) throw new Error((await response.text()).trim());
      const [, name = "model.safetensors"] = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "") ?? [];
      this.attacks.choose({ type: "files", files: [{ path: name, file: await response.blob() }] });
    } catch (error) {
      this.attacks.refuse(`The ${model.which} model of ${model.run} could not be had: ${messageOf(error)}`);
    }
  }

  #look(): void {
    const { address, own } = this.state;
    const { image, at, zeroed, direction } = address;
    this.#send({ type: "look", subject: this.#inSight ? { image: own ?? image, at, zeroed, direction } : null });
  }

  #send(command: Command): void {
    this.#worker.postMessage(command);
  }

  /** Changes what the address keeps. */
  #move(change: Partial<Address>): void {
    this.set({ address: { ...this.state.address, ...change } });
    const query = writeAddress(this.state.address);
    history.replaceState(null, "", `${location.pathname}?${query}`);
  }
}
