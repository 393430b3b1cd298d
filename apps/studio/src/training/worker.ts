/**
 * @file The worker: fetches the data, opens a device, trains two settings side by side, looks at images with their models, attacks models, keeps
 * what it trains in the browser's storage. The page stays free.
 */
import { TrainingError } from "@gradalign/robustness";
import type { Device } from "@gradalign/tensor";
import { type Backend, type BySide, type Command, type DataSource, type DeviceDescription, type Report, SIDES, type Side, type Subject } from "../protocol.ts";
import { fetchDataset, type LoadedData } from "./fetch-dataset.ts";
import { keepers, type TrainingLabel, unbegun } from "./keepers.ts";
import type { Pair } from "./pair.ts";
import type { Probe } from "./probe.ts";
import type { KeptSide } from "./shelf.ts";

/** A round: two trainings that are going on, or are halted and may go on, or have ended and are looked back at. */
interface Round {
  readonly number: number;
  readonly pair: Pair;
  readonly backend: Backend;
  readonly makeProbe: (side: Side, device: Device) => Probe;
  /** Those of a device that is open. */
  probes: Partial<Record<Side, Probe>>;
  /** What the page last asked for. */
  wanted: "go" | "pause" | "stop";
}

/** What is not needed before the first training, loaded then. */
const library = () => import("./library.ts");

const report = (message: Report): void => postMessage(message);
const storage = keepers(report);
let data: LoadedData | null = null;
let opened: { readonly backend: Backend; readonly device: Promise<Device> } | null = null;
let round: Round | null = null;
let subject: Subject | null = null;
/** Sides to be looked at as soon as nobody is looked at. */
const stale = new Set<Side>();
let looking = false;
let attacking: AbortController | null = null;

addEventListener("message", ({ data: command }: MessageEvent<Command>) => {
  switch (command.type) {
    case "load":
      void load(command.from);
      void storage.tell();
      break;
    case "train":
      void begin(command);
      break;
    case "reopen":
      void orRefuse(reopen(command));
      break;
    case "open":
      void orRefuse(openFolders(command));
      break;
    case "forget":
      void orRefuse(storage.forget(command.id));
      break;
    case "export":
      void orRefuse(exportSide(command));
      break;
    case "attack":
      void attack(command);
      break;
    case "stop-attack":
      attacking?.abort();
      break;
    case "pace":
      if (round) round.pair.pace = command.pace;
      break;
    case "look":
      ({ subject } = command);
      for (const side of SIDES) stale.add(side);
      void lookAround();
      break;
    default:
      if (!round) return;
      round.wanted = command.type === "continue" ? "go" : command.type;
      if (round.wanted !== "go") round.pair.halt();
      if (!round.pair.running) void perform(round);
  }
});

/** Takes images from elsewhere. Until they are here, and where they cannot be had, those that are here stay, with what was made of them. */
async function load(from: DataSource): Promise<void> {
  try {
    const loaded = await loadData(from);
    leaveRound();
    data = loaded;
    const { name, classNames, shape, flip, crop, train, test } = loaded.dataset;
    report({ type: "ready", data: { name, classNames, shape, flip, crop, trainImages: train.count, testLabels: test.labels } });
  } catch (error) {
    report({ type: "failed", round: null, message: messageOf(error), from: null });
  }
}

async function loadData(from: DataSource): Promise<LoadedData> {
  if (from.type === "files") return import("./load-data.ts").then(({ datasetOfFiles }) => datasetOfFiles(from.files));
  const started = performance.now();
  return fetchDataset(from.url, (receivedBytes, totalBytes) => {
    const rate = receivedBytes / (performance.now() - started);
    report({ type: "data", receivedBytes, totalBytes, etaSeconds: (totalBytes - receivedBytes) / rate / 1000 });
  });
}

/** The images that are here. */
function images(): LoadedData {
  if (!data) throw new Error("the images are not here yet");
  return data;
}

async function begin({ round: number, settings, labels, backend, pace }: Extract<Command, { type: "train" }>): Promise<void> {
  leaveRound();
  try {
    const { dataset } = images();
    const { trainConfigOf } = await library();
    const sides = unbegun({ left: trainConfigOf(settings.left, dataset), right: trainConfigOf(settings.right, dataset) });
    await perform(await makeRound(number, sides, { id: newId(), labels, backend, dataName: dataset.name }, pace));
  } catch (error) {
    report({ type: "failed", round: number, message: messageOf(error), from: null });
  }
}

/** A training that the browser kept, halted. */
async function reopen({ round: number, id, pace }: Extract<Command, { type: "reopen" }>): Promise<void> {
  const [{ checkSides, describeSides }, found] = [await library(), await storage.open(id)];
  if (!found) throw new Error("the browser does not keep this training any more");
  checkSides(found.sides, images());
  await makeRound(number, found.sides, found.label, pace);
  report({ type: "opened", round: number, sides: describeSides(found.sides) });
}

/** Run folders that were dropped, halted. */
async function openFolders({ round: number, files, settings, backend, pace }: Extract<Command, { type: "open" }>): Promise<void> {
  const [{ checkSides, describeSides, openRunFolders }, loaded] = [await library(), images()];
  const { sides, labels } = await openRunFolders(files, settings, loaded.dataset);
  checkSides(sides, loaded);
  await makeRound(number, sides, { id: newId(), labels, backend, dataName: loaded.dataset.name }, pace);
  report({ type: "opened", round: number, sides: describeSides(sides) });
}

async function makeRound(number: number, sides: BySide<KeptSide>, label: TrainingLabel, pace: number | null): Promise<Round> {
  leaveRound();
  const { dataset, fingerprint } = images();
  const { Pair, createProbe } = await library();
  const pair: Pair = new Pair(
    {
      ...{ sides, dataset, fingerprint },
      onEvent: (side, event) => report({ type: "training", round: number, side, event }),
      onMoment(side) {
        if (!subject || subject.at !== null) return;
        stale.add(side);
        void lookAround();
      },
      onCheckpoint: (side) => storage.note(pair, side),
    },
    pace,
  );
  const { backend } = label;
  const made: Round = { number, pair, backend, makeProbe: (side, device) => createProbe(sides[side].config, dataset, device), probes: {}, wanted: "go" };
  round = made;
  await storage.begin(label, pair);
  return made;
}

/** Trains until both have ended or are halted. A pause is an interruption and a resumption: both keep every bit. */
async function perform(current: Round): Promise<void> {
  const { number, pair, backend } = current;
  try {
    let ended = false;
    while (!ended && current.wanted === "go") ended = await pair.run(await deviceFor(backend));
    await storage.settled();
    report({ type: ended || current.wanted === "stop" ? "ended" : "paused", round: number });
  } catch (error) {
    closeDevice();
    current.wanted = "pause";
    // What went wrong in the numbers would go wrong again.
    report({ type: "failed", round: number, message: messageOf(error), from: error instanceof TrainingError ? null : pair.from });
  }
}

/** Looks at the subject with the model of every side that changed; one at a time, whatever is asked meanwhile. */
async function lookAround(): Promise<void> {
  if (looking) return;
  looking = true;
  try {
    for (let [side] = stale; side !== undefined; [side] = stale) {
      stale.delete(side);
      const [current, asked] = [round, subject];
      if (!current || !asked) continue;
      const moments = current.pair.moments(side);
      const moment = asked.at === null ? moments.last : moments.at(asked.at);
      if (!moment) continue;
      const device = await deviceFor(current.backend);
      const probe = current.probes[side] ?? current.makeProbe(side, device);
      current.probes[side] = probe;
      const look = await probe.look(moment, asked, side);
      if (current === round && asked === subject) report({ type: "look", side, look });
    }
  } catch (error) {
    // A device that is lost ends the training too, which says so.
    if (round && !round.pair.running) report({ type: "failed", round: round.number, message: messageOf(error), from: round.pair.from });
  } finally {
    looking = false;
  }
}

/** Attacks a model; another attack that is under way is stopped. */
async function attack({ attack: number, request }: Extract<Command, { type: "attack" }>): Promise<void> {
  attacking?.abort();
  const own = new AbortController();
  attacking = own;
  try {
    const [{ attackModel, openModel }, loaded] = [await import("./attack-library.ts"), images()];
    const model = await openModel(request, loaded.dataset, round?.pair ?? null);
    const device = await deviceFor(request.backend);
    await attackModel(model, { request, loaded, device, signal: own.signal, tell: (message) => report({ ...message, attack: number }) });
  } catch (error) {
    report(error === own.signal.reason ? { type: "attack-stopped", attack: number } : { type: "attack-failed", attack: number, message: messageOf(error) });
  } finally {
    if (attacking === own) attacking = null;
  }
}

async function exportSide({ side, form }: Extract<Command, { type: "export" }>): Promise<void> {
  if (!round) return;
  const { exportedSide } = await import("./export-side.ts");
  const { test } = images().dataset;
  const { threads, backend } = await deviceFor(round.backend);
  report({ type: "exported", ...exportedSide(round.pair.side(side), form, { threads, backend }, test.labels) });
}

/** The open device, or another if another backend is asked for. */
function deviceFor(backend: Backend): Promise<Device> {
  if (opened?.backend === backend) return opened.device;
  closeDevice();
  const device = openDevice(backend);
  opened = { backend, device };
  device.catch(() => {
    if (opened?.device === device) opened = null;
  });
  return device;
}

async function openDevice(backend: Backend): Promise<Device> {
  const { createDevice } = await library();
  // A GPU that the processor imitates is slower than WebAssembly, so it must be asked for by name.
  const device = await createDevice({ backend, allowSoftware: backend === "webgpu" });
  report({ type: "device", device: describe(device, backend) });
  return device;
}

function describe(device: Device, asked: Backend): DeviceDescription {
  const { backend, threads } = device;
  if (backend === "webgpu") {
    const { name } = device as Device & { readonly name?: string };
    return { backend, threads, remark: name || null };
  }
  const remarks = [
    ...(asked === "auto" ? ["no GPU with WebGPU here"] : []),
    ...(self.crossOriginIsolated ? [] : ["one thread only: the page is not cross-origin isolated, so threads cannot share memory"]),
  ];
  return { backend, threads, remark: remarks.join("; ") || null };
}

/** The training that was there is no longer looked at. */
function leaveRound(): void {
  if (!round) return;
  round.wanted = "stop";
  round.pair.halt();
  for (const probe of Object.values(round.probes as BySide<Probe>)) probe.dispose();
  round = null;
}

function closeDevice(): void {
  // What was compiled on it goes with it.
  if (round) round.probes = {};
  void opened?.device.then((device) => device.close()).catch(() => {});
  opened = null;
}

/** Does something whose failure changes nothing else. */
async function orRefuse(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    report({ type: "refused", message: messageOf(error) });
  }
}

/** Different for every training of every tab. */
function newId(): string {
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
