/**
 * @file Images in files against images in memory, on a folder of JPEGs that it writes: steps of FGSM + GradAlign with a ResNet, and memory.
 *
 * node bench/streaming.mjs FOLDER [--images 20000] [--width 16] [--batch 128] [--size 64] [--workers 2] [--steps 10] [--rounds 4] [--json FILE]
 * node bench/streaming.mjs FOLDER --memory 20000,200000 [--width 8] [--batch 32] [--json FILE]
 *
 * The images are written if they are not there. The two sides take turns; the first steps of a turn are not counted: in them what was decoded during the
 * other's turn is used up, and nothing is decoded any more for the one that waits. With --memory each number of images has a process of its own.
 */
import { execFileSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createDevice } from "@gradalign/tensor";
import { createModel, createSession, residentSplit, resolveTrainConfig } from "gradalign";
import { readDataFolder } from "gradalign/node";
import { jpegFile } from "../tools/campaigns/jpeg-writer.mjs";
import { median } from "./partner.mjs";

const text = (fallback) => ({ type: /** @type {const} */ ("string"), default: fallback });
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ images: text("20000"), width: text("16"), batch: text("128"), size: text("64"), workers: text("2"), steps: text("10"), rounds: text("4") },
    ...{ json: { type: "string" }, memory: { type: "string" }, process: { type: "boolean", default: false } },
  },
});
const [folder] = positionals;
if (!folder) throw new Error("name a folder for the images");
const [width, batch, size, workers, steps, rounds] = ["width", "batch", "size", "workers", "steps", "rounds"].map((name) => Number(options[name]));

/** As many training images differ; the others are other names of theirs. */
const DISTINCT = 20_000;
const CLASSES = 10;
/** Steps of a turn that are not counted: one more than there are buffers of a batch. */
const WARM = 4;

/** A folder of so many training images, and a twentieth of that to evaluate. */
function imageFolder(count) {
  const side = Math.ceil((size * 1.25) / 8) * 8;
  const at = join(folder, `${count}-of-${side}`);
  if (existsSync(at)) return at;
  const partial = `${at}.partial`;
  const fileOf = (split, i) => join(partial, split, `class-${i % CLASSES}`, `${String(i).padStart(7, "0")}.jpg`);
  for (const [split, images] of Object.entries({ train: count, val: Math.ceil(count / 20) })) {
    for (let label = 0; label < CLASSES; label++) mkdirSync(join(partial, split, `class-${label}`), { recursive: true });
    for (let i = 0; i < images; i++) {
      if (i >= DISTINCT) linkSync(fileOf(split, i % DISTINCT), fileOf(split, i));
      else writeFileSync(fileOf(split, i), photograph(split === "train" ? i : count + i, i % CLASSES, side));
    }
  }
  renameSync(partial, at);
  return at;
}

/** Photographs have smooth parts and edges: waves of each class's own, and a box. Files are of about a fifth of a byte per pixel and channel. */
function photograph(seed, label, side) {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const [phase, left, top] = [6 * random(), side * 0.7 * random(), side * 0.7 * random()];
  const pixels = new Uint8Array(3 * side * side);
  for (let k = 0; k < pixels.length; k++) {
    const [x, y] = [Math.floor(k / 3) % side, Math.floor(k / 3 / side)];
    const box = x > left && x < left + side * 0.3 && y > top && y < top + side * 0.3 ? 60 : 0;
    pixels[k] = 90 + box + 50 * Math.sin(phase + (x * (label + 1) + (k % 3) * y) / 9) + 8 * random();
  }
  return jpegFile(pixels, side, side, 90);
}

function opened(count) {
  const at = imageFolder(count);
  const before = performance.now();
  const { dataset } = readDataFolder(`${at}:size=${size}`);
  return { dataset, listedMs: performance.now() - before };
}

async function sessionsOn(dataset) {
  const config = resolveTrainConfig({
    dataset,
    model: { name: "resnet18", width },
    method: { name: "fgsm-gradalign", lambda: 0.2 },
    epsilon: 4 / 255,
    batchSize: batch,
    epochs: 30,
  });
  const device = await createDevice({ threads: 2 });
  const model = createModel(config.model, { classes: dataset.classNames.length, shape: dataset.shape });
  return async (train) => {
    const session = createSession(model, config, { ...dataset, train }, device, { workers });
    await session.ready(null);
    session.initialize();
    return session;
  };
}

/** Wall-clock time and the processor's, of all threads, of a step in milliseconds. */
async function timedStep(session, i) {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await session.ready(i);
  session.step(i);
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - began, cpuMs: (user + system) / 1000 };
}

async function times() {
  const { dataset, listedMs } = opened(Number(options.images));
  const start = await sessionsOn(dataset);
  const sides = { resident: await start(await residentSplit(dataset.train, dataset.shape, 2 ** 31)), streamed: await start(dataset.train) };
  const turns = { resident: [], streamed: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, session] of Object.entries(sides)) {
      const first = round * (WARM + steps);
      for (let i = 0; i < WARM; i++) await timedStep(session, first + i);
      const found = [];
      for (let i = WARM; i < WARM + steps; i++) found.push(await timedStep(session, first + i));
      turns[name].push({ ms: median(found.map(({ ms }) => ms)), cpuMs: median(found.map(({ cpuMs }) => cpuMs)) });
    }
  }
  const middle = (name) => ({ ms: median(turns[name].map(({ ms }) => ms)), cpuMs: median(turns[name].map(({ cpuMs }) => cpuMs)) });
  const ratios = turns.streamed.map(({ ms }, round) => ms / turns.resident[round].ms);
  const [resident, streamed] = [middle("resident"), middle("streamed")];
  const row = (what, { ms, cpuMs }) => console.log(`${what}: ${ms.toFixed(0)} ms a step, ${cpuMs.toFixed(0)} ms of processor`);
  console.log(`${dataset.train.count} images, width ${width}, batch ${batch} of ${size} x ${size}, ${workers} workers`);
  row("resident", resident);
  row("streamed", streamed);
  console.log(`ratio ${median(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(3)).join(", ")})`);
  return { images: dataset.train.count, listedMs, resident, streamed, ratio: median(ratios), ratios };
}

const megabytes = (field) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;

/** What this process takes: with the folder listed, and at most with five steps. */
async function memoryHere(count) {
  const empty = megabytes("VmRSS");
  const { dataset, listedMs } = opened(count);
  const listed = megabytes("VmRSS");
  const session = await (await sessionsOn(dataset))(dataset.train);
  for (let i = 0; i < 5; i++) await timedStep(session, i);
  return { images: count, listedMs, emptyMb: empty, listedMb: listed, peakMb: megabytes("VmHWM") };
}

function memory(counts) {
  return counts.map((count) => {
    imageFolder(count);
    const own = [fileURLToPath(import.meta.url), folder, "--process", "--memory", String(count)];
    const flags = ["width", "batch", "size", "workers"].flatMap((name) => [`--${name}`, String(options[name])]);
    const row = JSON.parse(execFileSync(process.execPath, [...own, ...flags], { encoding: "utf8" }));
    const { images, listedMs, emptyMb, listedMb, peakMb } = row;
    const listed = `${emptyMb.toFixed(0)} MB before they are listed in ${listedMs.toFixed(0)} ms, ${listedMb.toFixed(0)} MB then`;
    console.log(`${images} images: ${listed}, at most ${peakMb.toFixed(0)} MB with five steps of ${batch}`);
    return row;
  });
}

if (options.memory && options.process) console.log(JSON.stringify(await memoryHere(Number(options.memory))));
else {
  const measured = options.memory ? { rows: memory(options.memory.split(",").map(Number)) } : await times();
  const machine = { cpu: cpus()[0]?.model.trim(), node: process.version, threads: 2 };
  const settings = { width, batch, size, workers };
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ date: new Date().toISOString(), machine, ...settings, ...measured }, null, 2)}\n`);
}
process.exit(0);
