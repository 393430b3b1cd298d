/** @file A sweep of small runs on made-up images, one of them on damaged ones, and the same done by one undisturbed process. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resolveTrainConfig, stepPrograms } from "@gradalign/robustness";
import { readRecordFolder } from "@gradalign/robustness/node";
import { attemptRun, runId } from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import { performOwned } from "../../packages/gradalign/dist/reproduce/perform-grid.js";

/**
 * Writes the images.
 *
 * @param {string} folder
 * @param {number} count Runs that can be done; one more cannot.
 * @param {number} epochs
 */
export async function makeSweep(folder, count, epochs) {
  const images = join(folder, "images");
  mkdirSync(images);
  for (const [name, number] of /** @type {const} */ ([
    ["train.bin", 128],
    ["test.bin", 32],
  ])) {
    const bytes = new Uint8Array(number * 3073);
    for (let i = 0, noise = 1; i < bytes.length; i++) {
      noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
      const label = Math.floor(i / 3073) % 10;
      bytes[i] = i % 3073 === 0 ? label : 128 + 60 * Math.sin(((i % 32) * (label + 1)) / 5) + (noise >>> 26);
    }
    writeFileSync(join(images, name), bytes);
  }
  const damaged = join(folder, "damaged");
  mkdirSync(damaged);
  writeFileSync(join(damaged, "train.bin"), "no images");
  const { fingerprint } = await readRecordFolder(images);
  const runOf = (/** @type {number} */ number, name = images) => {
    const config = resolveTrainConfig({
      ...{ dataset: { name, crop: 0, flip: false }, model: { name: "cnn", filters: 4 }, method: "fgsm", epsilon: (1 + (number % 16)) / 255, seed: number },
      ...{ epochs, batchSize: 16, evalEvery: 16, evalExamples: 8 },
    });
    const data = name === images ? fingerprint : "damaged";
    const attacks = [{ attack: "pgd-2", epsilon: config.epsilon, examples: 16, which: /** @type {const} */ ("last") }];
    return { id: runId(config, data, attacks), label: name === images ? `fgsm-${number}` : "poison", config, attacks, data };
  };
  const good = Array.from({ length: count }, (_, i) => runOf(i));
  return { good, all: [...good, runOf(0, damaged)] };
}

/**
 * Does runs in this process, undisturbed.
 *
 * @param {Awaited<ReturnType<typeof makeSweep>>["good"]} wanted
 * @param {string} into The folder of runs.
 * @param {string} folder Of the images.
 * @returns Milliseconds a run.
 */
export async function undisturbed(wanted, into, folder) {
  const device = await createDevice({ backend: "wasm", threads: 1 });
  const programs = stepPrograms(device);
  const data = await readRecordFolder(join(folder, "images"));
  const { signal } = new AbortController();
  const context = { data, device, programs, cost: undefined, track: [], view: { event() {}, note() {} }, signal };
  const began = performance.now();
  for (const run of wanted) {
    const work = (/** @type {import("@gradalign/runs/node").Attempt} */ attempt) =>
      performOwned({ ...run, data: /** @type {const} */ ("real"), folder: attempt.folder }, context, attempt);
    const outcome = await attemptRun({ runs: into }, run.id, signal, work);
    if (outcome.kind !== "done") throw new Error(`${run.id}: ${JSON.stringify(outcome)}`);
  }
  const milliseconds = (performance.now() - began) / wanted.length;
  programs.dispose();
  device.close();
  return milliseconds;
}
