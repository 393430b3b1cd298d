/** @file Training on streamed images: the bits of resident ones, with any number of workers, stopped and gone on in mid-epoch or not. */
import {
  cnn,
  createSession,
  evaluateRobustness,
  type ImageDataset,
  imageDataset,
  type PartialTrainConfig,
  resolveTrainConfig,
  type Snapshot,
  type TrainOptions,
  train,
} from "@gradalign/robustness";
import { createDevice, type Device, type Tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { streamed } from "../support/streamed.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const resident = tinyDataset({ train: 22, flip: true });
const stream = (varies: boolean): ImageDataset => ({
  ...resident,
  train: streamed(resident.train, resident.shape, { varies }),
  test: streamed(resident.test, resident.shape, { varies }),
});
const settings: PartialTrainConfig = {
  ...{ dataset: resident, model: { name: "cnn", filters: 2 }, method: "fgsm-gradalign", epochs: 3, batchSize: 4 },
  ...{ evalEvery: 5, evalExamples: 6, validationSize: 2, optimizer: { name: "sgd" } },
};

/** Parameters, evaluations and the last checkpoint of a run. */
async function run(dataset: ImageDataset, options: Partial<TrainOptions> = {}, more: PartialTrainConfig = {}) {
  let last: Snapshot | undefined;
  const save = (kind: string, snapshot: Snapshot): undefined => {
    if (kind === "last") last = snapshot;
  };
  const result = await train(resolveTrainConfig({ ...settings, ...more }), dataset, { device, checkpoints: { save }, ...options });
  const params = Object.values(result.params).map((value) => [...(value as Tensor).data()]);
  return { params, evaluations: result.evaluations.map(({ seconds: _, ...rest }) => rest), last };
}

describe("streamed images", () => {
  it.each(["fgsm-gradalign", "free", "fgsm-mep"] as const)("train to the bits of resident ones, %s", async (method) => {
    const outcome = ({ params, evaluations }: Awaited<ReturnType<typeof run>>) => ({ params, evaluations });
    expect(outcome(await run(stream(false), {}, { method }))).toEqual(outcome(await run(resident, {}, { method })));
  });

  it("train to the same bits with 0, 1, 2 and 4 workers, stopped in mid-epoch and gone on or not", async () => {
    const data = stream(true);
    const whole = await run(data, { workers: 1 });
    expect(whole.params).not.toEqual((await run(resident)).params);
    for (const workers of [0, 2, 4]) {
      const stop = new AbortController();
      // An epoch has five steps.
      const onEvent: TrainOptions["onEvent"] = (event) => event.type === "checkpoint" && event.iteration === 8 && stop.abort();
      const cut = await run(data, { workers, signal: stop.signal, onEvent: (event) => void onEvent?.(event), checkpointEvery: 8 });
      expect(cut.last?.iteration).toBe(8);
      const rest = await run(data, { workers: workers === 4 ? 1 : 4, ...(cut.last ? { resume: cut.last } : {}), checkpointEvery: 8 });
      expect(rest.params).toEqual(whole.params);
      expect(rest.evaluations).toEqual(whole.evaluations);
    }
  });

  it("that cannot be decoded end the run, and the file is named", async () => {
    const broken = { ...resident, train: streamed(resident.train, resident.shape, { broken: 7 }) };
    await expect(run(broken, {}, { evalExamples: 4 })).rejects.toThrow("folder/7.jpg is cut off");
  });

  it("are waited for: a step without its images is refused", async () => {
    const session = createSession(cnn({ filters: 2, classes: 4, shape: resident.shape }), resolveTrainConfig(settings), stream(false), device);
    expect(() => session.initialize()).toThrow("train: the step's images are not there; wait for session.ready(iteration) first");
    session.dispose();
  });
});

test("labels of 65,536 classes reach the step", async () => {
  const shape = [1, 4, 4] as const;
  const split = { images: Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256), labels: [3, 255, 256, 65_535] };
  const classNames = Array.from({ length: 65_536 }, (_, i) => String(i));
  const data = imageDataset({ name: "many", classNames, shape, train: split, test: split });
  const config = resolveTrainConfig({ dataset: data, model: { name: "cnn", filters: 1 }, method: "standard", batchSize: 4, optimizer: { name: "sgd" } });
  const session = createSession(cnn({ filters: 1, classes: 65_536, shape }), config, data, device);
  session.initialize();
  const bias = (): Float32Array => (session.current.params["_model.3.bias"] as Tensor).data() as Float32Array;
  const before = bias();
  session.step(0);
  // The step raises the labels' logits and lowers all others.
  const after = bias();
  expect([...after.keys()].filter((i) => (after[i] as number) > (before[i] as number))).toEqual(split.labels);
  session.dispose({ model: true });
});

test("training and evaluation with 65,536 classes: the four that there are images of are learned, and attacked", async () => {
  const shape = [1, 4, 4] as const;
  // Image i has a bright row i.
  const split = { images: Uint8Array.from({ length: 64 }, (_, i) => (Math.floor(i / 16) === Math.floor(i / 4) % 4 ? 255 : 0)), labels: [3, 255, 256, 65_535] };
  const classNames = Array.from({ length: 65_536 }, (_, i) => String(i));
  const data = imageDataset({ name: "many", classNames, shape, train: split, test: split });
  const config = resolveTrainConfig({
    ...{ dataset: data, model: { name: "cnn", filters: 1 }, method: "fgsm", epsilon: 1 / 255, batchSize: 4, epochs: 30, evalEvery: 30, evalExamples: 4 },
    ...{ schedule: { peak: 0.05 } },
  });
  const { model, params, state, evaluations } = await train(config, data, { device });
  expect(evaluations.at(-1)).toMatchObject({ iteration: 30, test_clean_acc: 1, train_pgd_acc: 1 });
  const report = await evaluateRobustness(model, params, state, data.test, { device, attack: "pgd-10-1", epsilon: 1 / 255 });
  expect([report.n, report.cleanAccuracy]).toEqual([4, 1]);
});
