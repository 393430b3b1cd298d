/** @file Times our training steps on command: the counterpart of baselines/pytorch_steps.py, with the same protocol. */
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createDevice } from "@gradalign/tensor";
import { createModel, createSession, imageDataset, resolveTrainConfig } from "gradalign";
import { nodeGpu, nodeNative, nodeTuning } from "gradalign/node";

const METHODS = {
  standard: { name: "standard" },
  fgsm: { name: "fgsm" },
  gradalign: { name: "fgsm-gradalign", lambda: 0.2 },
};
/** A method by the benchmarks' names; pgdK is PGD of K steps. */
const methodNamed = (name) => METHODS[name] ?? { name: "pgd", steps: Number(/^pgd(\d+)$/.exec(name)[1]) };
const CLASSES = Array.from({ length: 10 }, (_, i) => `class ${i}`);

/** Noise in place of photographs: a step's time does not depend on the pixels. */
function noise(count) {
  const images = new Uint8Array(count * 3072);
  for (let i = 0, state = 1; i < images.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    images[i] = state >>> 24;
  }
  return { images, labels: Uint8Array.from({ length: count }, (_, i) => i % 10) };
}

let device = null;
let session = null;
let next = 0;

function peakRss() {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0);
}

/** Linux forgets the peak on request: what is told counts from the end of `prepare`, as on the other side. */
function forgetPeak() {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Then the peak stays that of the process.
  }
}

async function prepare({
  model,
  width,
  filters,
  batch,
  method,
  epsilon,
  threads,
  backend = "wasm",
  software = false,
  precision = "float32",
  tensorCores = "off",
  native = "auto",
  instructions = "best",
}) {
  device?.close();
  const gpu = async () => ({
    gpu: await nodeGpu({ experimental: tensorCores !== "off" }),
    allowSoftware: software,
    precision,
    tensorCores,
    ...(software ? {} : { tuning: nodeTuning() }),
  });
  const machineCode = backend === "wasm" && native !== "off" ? nodeNative(native === "on") : { host: null, problem: null };
  const limit = instructions === "best" ? {} : { instructions };
  const cpu = { threads, ...(machineCode.host ? { native: { ...machineCode.host, ...limit } } : {}) };
  device = await createDevice({ backend, ...(backend === "webgpu" ? await gpu() : cpu) });
  const dataset = imageDataset({ name: "noise", classNames: CLASSES, shape: [3, 32, 32], train: noise(32 * batch), test: noise(batch), flip: true, crop: 4 });
  const config = resolveTrainConfig({
    dataset,
    model: model === "cnn" ? { name: "cnn", filters } : { name: "preact-resnet18", width },
    method: methodNamed(method),
    epsilon,
    batchSize: batch,
    epochs: 30,
    schedule: { name: "cyclic", peak: 0.001 },
  });
  session = createSession(createModel(config.model), config, dataset, device);
  session.initialize();
  await device.tune?.();
  next = 0;
  forgetPeak();
  return { compileMs: session.stats().compileMs, threads: device.threads, node: process.version, native: machineCode.host !== null };
}

async function step({ n }) {
  const ms = [];
  for (let i = 0; i < n; i++) {
    const start = performance.now();
    session.step(next++);
    // A GPU is waited for, as PyTorch is by asking for the loss.
    if (device.backend === "webgpu") await session.readSums();
    ms.push(performance.now() - start);
  }
  return { ms, peakRss: peakRss(), deviceBytes: device.memory().peakBytes };
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { ok: true, ...(command.op === "prepare" ? await prepare(command) : await step(command)) };
  } catch (error) {
    answer = { ok: false, error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
device?.close();
process.exit(0);
