/**
 * @file Streamed images against resident ones: `node bench/streaming.mjs FOLDER [--width 16] [--batch 128] [--steps 12] [--workers 2] [--size 64]` times the
 * steps of FGSM + GradAlign with a ResNet on a folder of images, with the images decoded ahead of the step and with the same images in memory, in
 * turns; `--make 20000` writes such a folder first. `--memory` prints instead what a process takes with the folder opened and some steps done.
 */
import { existsSync, linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createDevice } from "@gradalign/tensor";
import { createModel, createSession, residentSplit, resolveTrainConfig } from "gradalign";
import { readDataFolder } from "gradalign/node";
import { jpegFile } from "../tools/campaigns/jpeg-writer.mjs";

const OPTIONS = /** @type {const} */ ({ width: "16", batch: "128", steps: "12", workers: "2", size: "64", make: "0", memory: false });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(
    Object.entries(OPTIONS).map(([name, value]) => [name, { type: typeof value === "string" ? "string" : "boolean", default: value }]),
  ),
});
const [folder] = positionals;
if (!folder) throw new Error("name a folder of images, or one to write with --make N");
const [width, batch, steps, workers, size, make] = ["width", "batch", "steps", "workers", "size", "make"].map((name) => Number(values[name]));

/** As many training images differ; the others are other names of theirs. */
const DISTINCT = 20_000;

/** Photographs have smooth parts and edges: waves of each class's own, and a box. Files are of about a fifth of a byte per pixel and channel. */
function writeFolder(at, count, side) {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < count + count / 20; i++) {
    const [split, label] = [i < count ? "train" : "val", i % 10];
    const below = join(at, split, `class-${label}`);
    const file = (number) => join(below, `${String(number).padStart(7, "0")}.jpg`);
    if (!existsSync(below)) mkdirSync(below, { recursive: true });
    if (i >= DISTINCT && i < count) {
      linkSync(file(i % DISTINCT), file(i));
      continue;
    }
    const [phase, left, top] = [6 * random(), side * 0.7 * random(), side * 0.7 * random()];
    const pixels = new Uint8Array(3 * side * side);
    for (let k = 0; k < pixels.length; k++) {
      const [x, y] = [Math.floor(k / 3) % side, Math.floor(k / 3 / side)];
      const box = x > left && x < left + side * 0.3 && y > top && y < top + side * 0.3 ? 60 : 0;
      pixels[k] = 90 + box + 50 * Math.sin(phase + (x * (label + 1) + (k % 3) * y) / 9) + 8 * random();
    }
    writeFileSync(file(i), jpegFile(pixels, side, side, 90));
  }
}
if (make > 0 && !existsSync(folder)) writeFolder(folder, make, Math.ceil((size * 1.25) / 8) * 8);

const before = performance.now();
const { dataset } = readDataFolder(`${folder}:size=${size}`);
const listing = performance.now() - before;
const config = resolveTrainConfig({
  dataset,
  model: { name: "preact-resnet18", width },
  method: { name: "fgsm-gradalign", lambda: 0.2 },
  epsilon: 4 / 255,
  batchSize: batch,
  epochs: 30,
});
const device = await createDevice({ threads: 2 });
const model = createModel(config.model, { classes: dataset.classNames.length, shape: dataset.shape });
const open = (train) => createSession(model, config, { ...dataset, train }, device, { workers });
const megabytes = (field) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024);

async function start(session) {
  await session.ready(null);
  session.initialize();
}
if (values.memory) {
  const listed = megabytes("VmRSS");
  const session = open(dataset.train);
  await start(session);
  for (let i = 0; i < 5; i++) {
    await session.ready(i);
    session.step(i);
  }
  console.log(
    `${dataset.train.count} images: listed in ${listing.toFixed(0)} ms, ${listed} MB then, at most ${megabytes("VmHWM")} MB with five steps of ${batch}`,
  );
} else {
  const sessions = { resident: open(await residentSplit(dataset.train, dataset.shape, 2 ** 31)), streamed: open(dataset.train) };
  const times = { resident: [], streamed: [] };
  for (const session of Object.values(sessions)) await start(session);
  for (let i = 0; i < steps + 2; i++) {
    for (const [name, session] of Object.entries(sessions)) {
      const [began, cpu] = [performance.now(), process.cpuUsage()];
      await session.ready(i);
      session.step(i);
      const used = process.cpuUsage(cpu);
      // The first steps warm up.
      if (i >= 2) times[name].push([performance.now() - began, (used.user + used.system) / 1000]);
    }
  }
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  const [resident, streamed] = ["resident", "streamed"].map((name) => [0, 1].map((k) => median(times[name].map((pair) => pair[k]))));
  const row = (what, [wall, cpu]) => `${what}: ${wall.toFixed(0)} ms a step, ${cpu.toFixed(0)} ms of processor`;
  console.log(`width ${width}, batch ${batch} of ${size} x ${size}, ${workers} workers\n${row("resident", resident)}\n${row("streamed", streamed)}`);
  console.log(`ratio ${(streamed[0] / resident[0]).toFixed(3)}, of processor time ${(streamed[1] / resident[1]).toFixed(3)}`);
}
process.exit(0);
