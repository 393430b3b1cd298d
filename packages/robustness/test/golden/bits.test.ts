/** @file Goldens of results: the bits of all parameters after a few steps of training, which are the same on every processor with fused multiply-adds,
 * with machine code and without it, by any number of threads. A change that is not meant to change arithmetic leaves them as they are. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createModel, createSession, imageDataset, type PartialTrainConfig, resolveTrainConfig } from "@gradalign/robustness";
import { createDevice, type Device, type Tensor, wasmFeatures } from "@gradalign/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { pseudoRandom } from "../../../tensor/test/support/pseudo-random.ts";
import { nodeNative } from "../../src/device/node-native.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-bits-"));
afterAll(() => rmSync(folder, { recursive: true }));

const COUNT = 64;
const next = pseudoRandom(1);
const images = { images: Uint8Array.from({ length: COUNT * 3072 }, () => next() * 256), labels: Uint8Array.from({ length: COUNT }, (_, i) => i % 10) };
const classNames = Array.from({ length: 10 }, (_, i) => `class ${i}`);
const dataset = imageDataset({ name: "noise", classNames, shape: [3, 32, 32], train: images, test: images, flip: true, crop: 4 });

const TRAININGS = {
  "the ResNet, FGSM and GradAlign": { model: { name: "preact-resnet18", width: 16 }, method: "fgsm-gradalign", batchSize: 32 },
  "the ResNet, PGD of two steps": { model: { name: "preact-resnet18", width: 8 }, method: { name: "pgd", steps: 2 }, batchSize: 16 },
  "the single-layer network, FGSM and GradAlign": { model: { name: "cnn" }, method: "fgsm-gradalign", batchSize: 32 },
} as const satisfies Readonly<Record<string, PartialTrainConfig>>;

const HASHES: Readonly<Record<keyof typeof TRAININGS, string>> = {
  "the ResNet, FGSM and GradAlign": "4a0ad0357598d1a1",
  "the ResNet, PGD of two steps": "e0fd7197c412f750",
  "the single-layer network, FGSM and GradAlign": "6546e64caebf2482",
};

/** Of the parameters and the statistics after the initialisation and two steps. */
function hashOf(training: PartialTrainConfig, device: Device): string {
  const config = resolveTrainConfig({ ...training, dataset, epsilon: 8 / 255, epochs: 2 });
  const session = createSession(createModel(config.model, { classes: 10, shape: dataset.shape }), config, dataset, device);
  session.initialize();
  for (let i = 0; i < 2; i++) session.step(i);
  const { params, state } = session.current;
  const hash = createHash("sha256");
  for (const value of [...Object.values(params), ...Object.values(state)] as Tensor[]) hash.update(value.data() as Float32Array);
  session.dispose({ model: true });
  device.close();
  return hash.digest("hex").slice(0, 16);
}

describe.skipIf(!wasmFeatures()["fused-multiply-add"])("two steps give the bits that they always gave", () => {
  const { host: native } = nodeNative(false, { folder, version: "test" });
  test.each(Object.keys(TRAININGS) as (keyof typeof TRAININGS)[])("%s", async (name) => {
    expect(hashOf(TRAININGS[name], await createDevice({ backend: "wasm", threads: 1 }))).toBe(HASHES[name]);
    expect(hashOf(TRAININGS[name], await createDevice({ backend: "wasm", threads: 2, ...(native ? { native } : {}) }))).toBe(HASHES[name]);
  });
});
