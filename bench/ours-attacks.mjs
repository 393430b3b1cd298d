/** @file Attacks images on command: the counterpart of baselines/original_autoattack.py, with the same protocol. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createDevice, tensor } from "@gradalign/tensor";
import { attack, createModel, decodeSafetensors, modelVictim } from "gradalign";
import { nodeNative } from "gradalign/node";

const RECORD = 3073;
let [device, victim, records, settings] = [null, null, null, null];

/** A network in eval mode from a file that `gradalign export` wrote; its sizes are those of its tensors. */
function load(file) {
  const { tensors } = decodeSafetensors(readFileSync(file));
  const named = [...tensors].filter(([name]) => !name.endsWith("num_batches_tracked"));
  const statistic = ([name]) => name.includes(".running_");
  const group = (entries) => Object.fromEntries(entries.map(([name, { data, shape }]) => [name, tensor(data, shape)]));
  const first = tensors.get("conv1.weight") ?? tensors.get("_model.0.weight");
  const size = first.shape[0];
  const config = tensors.has("conv1.weight") ? { name: "preact-resnet18", width: size } : { name: "cnn", filters: size };
  return modelVictim(createModel(config), group(named.filter((entry) => !statistic(entry))), group(named.filter(statistic)));
}

const operations = {
  async prepare({ weights, images, norm, epsilon, attacks, seed = 0, threads = 2 }) {
    const { host } = nodeNative();
    device = await createDevice({ backend: "wasm", threads, ...(host && { native: host }) });
    victim = load(weights);
    records = readFileSync(images);
    settings = { device, attack: attacks?.join("+") ?? "autoattack", threat: norm, epsilon, key: seed, checks: false };
    return { node: process.version, native: host !== null };
  },
  async attack({ first, count }) {
    const x = new Float32Array(count * (RECORD - 1));
    const labels = [];
    for (let i = 0; i < count; i++) {
      const record = records.subarray((first + i) * RECORD, (first + i + 1) * RECORD);
      labels.push(record[0]);
      for (let j = 1; j < RECORD; j++) x[i * (RECORD - 1) + j - 1] = record[j] / 255;
    }
    const indices = labels.map((_, i) => first + i);
    const started = performance.now();
    const report = await attack(victim, tensor(x, [count, 3, 32, 32]), labels, { ...settings, indices });
    const seconds = (performance.now() - started) / 1000;
    const correct = (accuracy) => Math.round(accuracy * count);
    return { seconds, clean: correct(report.cleanAccuracy), robust: correct(report.robustAccuracy), passes: report.passes };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...command } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: true, ...(await operations[op](command)) };
  } catch (error) {
    answer = { ok: false, error: error.stack };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
