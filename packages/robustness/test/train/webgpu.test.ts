/** @file Training on the webgpu backend: it follows the wasm run, survives a lost GPU, and names the batch size that a small one takes. */

import {
  type CheckpointSink,
  type PartialTrainConfig,
  resolveTrainConfig,
  type Snapshot,
  type TrainEvent,
  type TrainOptions,
  type TrainResult,
  train,
} from "@gradalign/robustness";
import { createDevice, type Device } from "@gradalign/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { relativeError } from "../../../tensor/test/support/devices.ts";
import { alteredGpu, setLimits, testGpu } from "../../../tensor/test/support/gpu.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const data = tinyDataset({ flip: true });
const small: PartialTrainConfig = { dataset: data, model: { name: "cnn", filters: 2 }, method: "fgsm", epochs: 2, batchSize: 4, evalEvery: 2, evalExamples: 4 };

async function openGpu(alter: (device: GPUDevice) => void = () => {}): Promise<Device> {
  const device = await createDevice({ backend: "webgpu", ...(await alteredGpu(alter)) });
  afterAll(() => device.close());
  return device;
}

/** For runs on a GPU as it is: it compiles every shader once. */
const shared = await openGpu();

const run = (device: Device, settings: PartialTrainConfig = {}, options: Partial<TrainOptions> = {}): Promise<TrainResult> =>
  train(resolveTrainConfig({ ...small, ...settings }), data, { device, ...options });

const elements = (result: TrainResult): Promise<number[][]> => Promise.all(Object.values(result.params).map(async (p) => [...(await p.read())]));

/** Keeps the last snapshot of a run. */
function memorySink(): CheckpointSink & { last?: Snapshot } {
  return {
    save(kind, snapshot) {
      if (kind === "last") this.last = snapshot;
      return undefined;
    },
  };
}

describe("a run", () => {
  test("follows the wasm backend's for its first steps", { timeout: 180_000 }, async () => {
    const method = "fgsm-gradalign";
    const wasm = await createDevice({ backend: "wasm", threads: 1 });
    const expected = await run(wasm, { method });
    const actual = await run(shared, { method });
    expect(actual.evaluations.map(({ iteration }) => iteration)).toEqual(expected.evaluations.map(({ iteration }) => iteration));
    expected.evaluations.forEach((evaluation, i) => {
      // Sums are rounded in another order; eight steps later losses still agree to four digits.
      for (const name of ["train_loss", "test_fgsm_loss", "test_pgd_loss", "gradient_alignment"] as const) {
        expect(actual.evaluations[i]![name], `${name} at ${evaluation.iteration}`).toBeCloseTo(evaluation[name] as number, 4);
      }
    });
    const [a, b] = [await elements(actual), await elements(expected)];
    a.forEach((values, i) => {
      expect(relativeError(values, b[i]!)).toBeLessThan(1e-3);
    });
    wasm.close();
  });

  test("in mixed float16 comes close, with a scaled loss", { timeout: 180_000 }, async () => {
    const settings = { method: "fgsm", model: { name: "cnn", filters: 8 }, batchSize: 8, epochs: 1 } as const;
    const expected = await run(shared, settings);
    const device = await createDevice({ backend: "webgpu", precision: "float16", ...(await testGpu()) });
    const actual = await run(device, settings);
    expected.evaluations.forEach((evaluation, i) => {
      expect(actual.evaluations[i]!.train_loss, `at ${evaluation.iteration}`).toBeCloseTo(evaluation.train_loss, 1);
      expect(actual.evaluations[i]!.skipped_steps).toBe(0);
    });
    const [a, b] = [await elements(actual), await elements(expected)];
    expect(a).not.toEqual(b);
    device.close();
  });

  test("ends when the loss is not finite, and says where", { timeout: 180_000 }, async () => {
    const settings = { method: "standard", optimizer: { name: "sgd" }, schedule: { peak: 1e3 }, epochs: 20, evalEvery: 10, evalExamples: 1 } as const;
    await expect(run(shared, settings)).rejects.toThrow(/was not finite at iteration \d+; lower the peak learning rate \(now 1000\)/);
  });
});

test("a lost GPU ends the run with the checkpoint in place, from which another gives the same bits", { timeout: 180_000 }, async () => {
  const settings = { method: "standard", epochs: 1, evalExamples: 1 } as const;
  const whole = await run(shared, settings);
  let inner: GPUDevice | undefined;
  const device = await openGpu((gpu) => {
    inner = gpu;
  });
  const sink = memorySink();
  const loseAfter = (event: TrainEvent): void => {
    if (event.type === "checkpoint" && event.kind === "last" && event.iteration === 2) inner!.destroy();
  };
  await expect(run(device, settings, { checkpoints: sink, onEvent: loseAfter })).rejects.toThrow(expect.objectContaining({ code: "DeviceError" }));
  expect(sink.last?.iteration).toBe(2);
  const resumed = await run(shared, settings, { resume: sink.last as Snapshot });
  expect(await elements(resumed)).toEqual(await elements(whole));
});

test("a batch too large for the GPU: the size that fits, and it does", { timeout: 180_000 }, async () => {
  const device = await openGpu((gpu) => setLimits(gpu, { maxStorageBufferBindingSize: 1 << 14 }));
  const failure = await run(device, { batchSize: 16, epochs: 1, method: "standard" }).catch((error: Error) => error);
  expect(failure).toMatchObject({ code: "LimitError", limit: "maxStorageBufferBindingSize", available: 1 << 14 });
  const [, size] = /batchSize 16 is too large for this GPU; (\d+) would fit/.exec((failure as Error).message) ?? [];
  expect(Number(size)).toBeGreaterThan(1);
  await run(device, { batchSize: Number(size), epochs: 1, method: "standard", evalExamples: 1 });
});
