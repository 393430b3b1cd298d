/** @file The training worker: fetches the data, opens a device, trains two settings side by side, looks at images with their models. The page stays free. */
import { type ResidentDataset, TrainingError } from "@gradalign/robustness";
import type { Device } from "@gradalign/tensor";
import { type Backend, type BySide, type Command, type DeviceDescription, type Report, SIDES, type Side, type Subject } from "../protocol.ts";
import { fetchDataset } from "./fetch-dataset.ts";
import type { Pair } from "./pair.ts";
import type { Probe } from "./probe.ts";

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
let dataset: Promise<ResidentDataset> | null = null;
let opened: { readonly backend: Backend; readonly device: Device } | null = null;
let round: Round | null = null;
let subject: Subject | null = null;
/** Sides to be looked at as soon as nobody is looked at. */
const stale = new Set<Side>();
let looking = false;

addEventListener("message", ({ data: command }: MessageEvent<Command>) => {
  switch (command.type) {
    case "load":
      dataset = loadData();
      dataset.catch((error: unknown) => report({ type: "failed", round: null, message: messageOf(error), from: null }));
      break;
    case "train":
      void begin(command);
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

async function loadData(): Promise<ResidentDataset> {
  const started = performance.now();
  const loaded = await fetchDataset(new URL("/data/list.json", self.location.href).href, (receivedBytes, totalBytes) => {
    const rate = receivedBytes / (performance.now() - started);
    report({ type: "data", receivedBytes, totalBytes, etaSeconds: (totalBytes - receivedBytes) / rate / 1000 });
  });
  const { name, classNames, shape, flip, crop, train, test } = loaded;
  report({ type: "ready", data: { name, classNames, shape, flip, crop, trainImages: train.count, testLabels: test.labels } });
  return loaded;
}

async function begin({ round: number, settings, backend, pace }: Extract<Command, { type: "train" }>): Promise<void> {
  closeProbes();
  round = null;
  try {
    const data = (await dataset) as ResidentDataset;
    const { Pair, createProbe, trainConfigOf } = await library();
    const configs = { left: trainConfigOf(settings.left, data), right: trainConfigOf(settings.right, data) };
    const pair = new Pair(
      {
        configs,
        dataset: data,
        onEvent: (side, event) => report({ type: "training", round: number, side, event }),
        onMoment(side) {
          if (!subject || subject.at !== null) return;
          stale.add(side);
          void lookAround();
        },
      },
      pace,
    );
    round = { number, pair, backend, makeProbe: (side, device) => createProbe(configs[side], data, device), probes: {}, wanted: "go" };
    await perform(round);
  } catch (error) {
    report({ type: "failed", round: number, message: messageOf(error), from: null });
  }
}

/** Trains until both have ended or are halted. A pause is an interruption and a resumption: both keep every bit. */
async function perform(current: Round): Promise<void> {
  const { number, pair, backend } = current;
  try {
    let ended = false;
    while (!ended && current.wanted === "go") ended = await pair.run(await deviceFor(backend));
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
      const [current, asked, device] = [round, subject, opened?.device];
      if (!current || !asked || !device) continue;
      const moments = current.pair.moments(side);
      const moment = asked.at === null ? moments.last : moments.at(asked.at);
      if (!moment) continue;
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

/** The open device, or another if another backend is asked for. */
async function deviceFor(backend: Backend): Promise<Device> {
  if (opened?.backend !== backend) {
    closeDevice();
    const { createDevice } = await library();
    // A GPU that the processor imitates is slower than WebAssembly, so it must be asked for by name.
    const device = await createDevice({ backend, allowSoftware: backend === "webgpu" });
    opened = { backend, device };
    report({ type: "device", device: describe(device, backend) });
  }
  return opened.device;
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

function closeProbes(): void {
  for (const probe of Object.values((round?.probes ?? {}) as BySide<Probe>)) probe.dispose();
  if (round) round.probes = {};
}

function closeDevice(): void {
  // What was compiled on it goes with it.
  if (round) round.probes = {};
  opened?.device.close();
  opened = null;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
