/** @file Averaged weights and smoothed labels: what is trained is untouched by the average, which is what counts afterwards. */
import { createDevice, type Device, type Tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import type { Trained } from "../../src/train/averaging.ts";
import { type PartialTrainConfig, resolveTrainConfig } from "../../src/train/config.ts";
import { createSession, type Session } from "../../src/train/session.ts";
import { storeTree } from "../../src/train/snapshot.ts";
import { train } from "../../src/train/train.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const data = tinyDataset({ flip: true });
const small: PartialTrainConfig = { dataset: data, model: { name: "cnn", filters: 2 }, method: "fgsm", epochs: 2, batchSize: 4, evalExamples: 8 };
const NAME = "_model.3.bias";

function begin(settings: PartialTrainConfig): Session {
  const config = resolveTrainConfig({ ...small, ...settings });
  return createSession(createModel(config.model, { classes: data.classNames.length, shape: data.shape }), config, data, device);
}

const numbers = (tensor: unknown): number[] => [...(tensor as Tensor).data()];

test("the average follows what is trained, which goes on as if there were none, and both are resumed to the same bits", async () => {
  const decay = 0.3;
  const [plain, averaged, resumed] = [begin({}), begin({ averaging: decay }), begin({ averaging: decay })];
  for (const session of [plain, averaged]) session.initialize();
  let expected = numbers(plain.current.params[NAME]);
  expect(numbers(averaged.current.params[NAME])).toEqual(expected);
  for (let i = 0; i < 6; i++) {
    for (const session of [plain, averaged]) session.step(i);
    const trained = numbers(plain.current.params[NAME]);
    expect(numbers((averaged.current.trained as Trained).params[NAME])).toEqual(trained);
    // As in most code (1 + t) / (10 + t), t from 0, unless the decay is less.
    const share = Math.min(decay, (1 + i) / (10 + i));
    expected = expected.map((before, k) => share * before + (1 - share) * (trained[k] as number));
    const got = numbers(averaged.current.params[NAME]);
    for (const [k, value] of got.entries()) expect(value).toBeCloseTo(expected[k] as number, 6);
    expect(got).not.toEqual(trained);
    if (i === 3) resumed.restore(await storeTree(averaged.current));
    if (i > 3) resumed.step(i);
  }
  const bits = async (session: Session) => [...(await storeTree(session.current))];
  expect(await bits(resumed)).toEqual(await bits(averaged));
  for (const session of [plain, averaged, resumed]) session.dispose({ model: true });
});

test("the average is what a run leaves, and what is freed is all else", async () => {
  const averaging = { averaging: 0.3, labelSmoothing: 0.1 };
  const run = () => train(resolveTrainConfig({ ...small, ...averaging }), data, { device });
  const reference = begin(averaging);
  reference.initialize();
  for (let i = 0; i < 8; i++) reference.step(i);
  const first = await run();
  expect(numbers(first.params[NAME])).toEqual(numbers(reference.current.params[NAME]));
  reference.dispose({ model: true });
  const dispose = ({ params, best }: typeof first): void => {
    for (const tensors of [params, best?.params ?? {}]) for (const value of Object.values(tensors)) value.dispose();
  };
  dispose(first);
  const before = device.memory().liveBytes;
  dispose(await run());
  expect(device.memory().liveBytes).toBe(before);
});

test("smoothed labels change the loss that is trained on", async () => {
  const [plain, smoothed] = [begin({}), begin({ labelSmoothing: 0.2 })];
  const losses = [];
  for (const session of [plain, smoothed]) {
    session.initialize();
    losses.push((await session.readSums()).loss);
    session.dispose({ model: true });
  }
  // Weights and images are the same, and so is the attack.
  expect(losses[1]).not.toBeCloseTo(losses[0] as number, 3);
});

test("settings say neither unless asked for, so that those of earlier runs stay what they were", () => {
  for (const name of ["labelSmoothing", "averaging"]) expect(resolveTrainConfig(small)).not.toHaveProperty(name);
  expect(resolveTrainConfig({ ...small, averaging: 0.9 }).averaging).toBe(0.9);
  expect(() => resolveTrainConfig({ ...small, averaging: 1 })).toThrow("config: averaging (=1) must be a number above 0 and up to below 1; write e.g. 0.999");
});
