/** @file The training worker: fetches the data, opens a device, trains one run at a time, and reports. The page stays free. */

import { type ResidentDataset, type Snapshot, TrainingError, train } from "@gradalign/robustness";
import { createDevice, type Device } from "@gradalign/tensor";
import { fetchDataset } from "./fetch-dataset.ts";
import type { Command, DeviceDescription, LiveBackend, Report, RunSettings } from "./protocol.ts";
import { trainConfigOf } from "./train-config.ts";

/** The run that is going on, or is halted and may go on. */
interface ActiveRun {
  readonly run: number;
  readonly settings: RunSettings;
  readonly backend: LiveBackend;
  /** What the page last asked for. */
  wanted: "go" | "pause" | "stop";
  abort: AbortController;
  running: boolean;
  /** The latest checkpoint, to go on from. */
  last: Snapshot | null;
}

const report = (message: Report): void => postMessage(message);
const dataset = loadData();
let opened: { readonly backend: LiveBackend; readonly device: Device } | null = null;
let active: ActiveRun | null = null;

addEventListener("message", ({ data: command }: MessageEvent<Command>) => {
  if (command.type === "train") {
    const { run, settings, backend } = command;
    active = { run, settings, backend, wanted: "go", abort: new AbortController(), running: false, last: null };
    void perform(active);
    return;
  }
  if (!active) return;
  active.wanted = command.type === "continue" ? "go" : command.type;
  if (active.wanted !== "go") active.abort.abort();
  if (!active.running) void perform(active);
});

async function loadData(): Promise<ResidentDataset> {
  const started = performance.now();
  const loaded = await fetchDataset(new URL("/data/list.json", self.location.href).href, (receivedBytes, totalBytes) => {
    const rate = receivedBytes / (performance.now() - started);
    report({ type: "data", receivedBytes, totalBytes, etaSeconds: (totalBytes - receivedBytes) / rate / 1000 });
  });
  report({ type: "ready", data: { name: loaded.name, classes: loaded.classNames.length, trainImages: loaded.train.count, testLabels: loaded.test.labels } });
  return loaded;
}

dataset.catch((error: unknown) => report({ type: "failed", run: null, message: messageOf(error), from: null }));

/** Trains until the run ends or is halted. A pause is an interruption and a resumption: both keep every bit. */
async function perform(current: ActiveRun): Promise<void> {
  current.running = true;
  try {
    const data = await dataset;
    const config = trainConfigOf(current.settings, data);
    let interrupted = true;
    while (interrupted && current.wanted === "go") {
      const device = await deviceFor(current.backend);
      current.abort = new AbortController();
      ({ interrupted } = await train(config, data, {
        device,
        signal: current.abort.signal,
        onEvent: (event) => report({ type: "training", run: current.run, event }),
        checkpoints: {
          save(kind, snapshot) {
            if (kind === "last") current.last = snapshot;
            return undefined;
          },
        },
        ...(current.last ? { resume: current.last } : {}),
      }));
    }
    if (interrupted && current.wanted === "pause") report({ type: "paused", run: current.run });
    else {
      active = null;
      report({ type: "ended", run: current.run });
    }
  } catch (error) {
    closeDevice();
    current.wanted = "pause";
    // What went wrong in the numbers would go wrong again.
    const from = error instanceof TrainingError ? null : (current.last?.iteration ?? null);
    report({ type: "failed", run: current.run, message: messageOf(error), from });
  } finally {
    current.running = false;
  }
}

/** The open device, or another if another backend is asked for. */
async function deviceFor(backend: LiveBackend): Promise<Device> {
  if (opened?.backend !== backend) {
    closeDevice();
    // A GPU that the processor imitates is slower than WebAssembly, so it must be asked for by name.
    const device = await createDevice({ backend, allowSoftware: backend === "webgpu" });
    opened = { backend, device };
    report({ type: "device", device: describe(device, backend) });
  }
  return opened.device;
}

function describe(device: Device, asked: LiveBackend): DeviceDescription {
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

function closeDevice(): void {
  opened?.device.close();
  opened = null;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
