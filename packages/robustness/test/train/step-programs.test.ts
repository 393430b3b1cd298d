/** @file Numbers of a run are inputs of its step: a sweep over them compiles once, and every training has the bits that it has alone. */
import { createDevice, type Device } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { type PartialTrainConfig, resolveTrainConfig } from "../../src/train/config.ts";
import { createSession } from "../../src/train/session.ts";
import { storeTree } from "../../src/train/snapshot.ts";
import { type StepPrograms, stepPrograms } from "../../src/train/step-programs.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const data = tinyDataset({ flip: true });

/** Parameters after three steps. */
function trained(partial: PartialTrainConfig, programs?: StepPrograms): number[][] {
  const config = resolveTrainConfig({ dataset: data, model: { name: "cnn", filters: 2 }, batchSize: 4, ...partial });
  const session = createSession(createModel(config.model, { classes: data.classNames.length, shape: data.shape }), config, data, device, { programs });
  session.initialize();
  for (let i = 0; i < 3; i++) session.step(i);
  const params = Object.values(session.current.params).map((tensor) => [...tensor.data()]);
  session.dispose({ model: true });
  return params;
}

/** Of a training: the parameters' first draw, the step, and the optimiser's first state. */
const PROGRAMS = 3;

const SWEEP: readonly PartialTrainConfig[] = [
  { method: { name: "fgsm-gradalign", lambda: 0.2 }, epsilon: 8 / 255 },
  { method: { name: "fgsm-gradalign", lambda: 0.2 }, epsilon: 16 / 255 },
  { method: { name: "fgsm-gradalign", lambda: 3, stepSize: 0.7 }, epsilon: 8 / 255, seed: 1 },
  { method: { name: "fgsm-gradalign", lambda: 0.2 }, epsilon: 8 / 255, optimizer: { name: "adam", weightDecay: 0 }, schedule: { peak: 0.1 } },
];

test("a sweep over radius, weight, step size, weight decay, learning rate and seed compiles once, and changes no bit", () => {
  const compile = vi.spyOn(device, "compile");
  const programs = stepPrograms(device);
  const swept = SWEEP.map((partial) => trained(partial, programs));
  expect(compile).toHaveBeenCalledTimes(PROGRAMS);
  programs.dispose();
  compile.mockRestore();
  expect(swept).toEqual(SWEEP.map((partial) => trained(partial)));
  expect(new Set(swept.map((params) => JSON.stringify(params))).size).toBe(SWEEP.length);
});

test("what is structure has a program of its own, and programs that nobody needs make room for it", () => {
  const compile = vi.spyOn(device, "compile");
  const programs = stepPrograms(device);
  const [first] = SWEEP as [PartialTrainConfig];
  const others: readonly PartialTrainConfig[] = [
    { ...first, method: { name: "fgsm-gradalign", branches: "both" } },
    { ...first, method: "fgsm" },
    { ...first, optimizer: { name: "sgd" } },
  ];
  for (const [i, partial] of [first, ...others].entries()) {
    trained(partial, programs);
    expect(compile).toHaveBeenCalledTimes(PROGRAMS * (i + 1));
  }
  trained(first, programs);
  expect(compile).toHaveBeenCalledTimes(PROGRAMS * (others.length + 2));
  programs.dispose();
  compile.mockRestore();
});

test("a method with a cadence is computed as its options say on every so many-th step, and otherwise between, micro-batches included", async () => {
  const session = (method: NonNullable<PartialTrainConfig["method"]>, more: PartialTrainConfig = {}) => {
    const config = resolveTrainConfig({ dataset: data, model: { name: "cnn", filters: 2 }, batchSize: 4, ...more, method });
    return createSession(createModel(config.model, { classes: data.classNames.length, shape: data.shape }), config, data, device);
  };
  const name = "fgsm-gradalign";
  for (const more of [{}, { microBatch: 2 }]) {
    const [every, heavy, none] = [session({ name, alignEvery: 2, lambda: 0.25 }, more), session({ name, lambda: 0.5 }, more), session("fgsm", more)];
    for (const one of [every, heavy]) one.initialize();
    for (const one of [every, heavy]) one.step(0);
    const bits = async (one: typeof every) => [...(await storeTree(one.current))].map(([path, { data: stored }]) => [path, [...(stored as Float32Array)]]);
    expect(await bits(every)).toEqual(await bits(heavy));
    none.restore(await storeTree(every.current));
    for (const one of [every, none]) one.step(1);
    expect(await bits(every)).toEqual(await bits(none));
    // The third is the first's kind again.
    heavy.restore(await storeTree(every.current));
    for (const one of [every, heavy]) one.step(2);
    expect(await bits(every)).toEqual(await bits(heavy));
    for (const one of [every, heavy, none]) one.dispose({ model: true });
  }
});
