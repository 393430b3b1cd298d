/** @file Steps in micro-batches: the training of a batch at once, but for rounding; what cannot be computed so is refused; the memory they save. */
import {
  createModel,
  createSession,
  evaluationBatch,
  type ImageDataset,
  type PartialTrainConfig,
  resolveTrainConfig,
  type Session,
  type TrainEvent,
  train,
} from "@gradalign/robustness";
import { createDevice, type Device, OutOfMemoryError, type Tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { storeTree } from "../../src/train/snapshot.ts";
import { streamed } from "../support/streamed.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
let twoThreads: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
  twoThreads = await createDevice({ backend: "wasm", threads: 2 });
});
afterAll(() => {
  device.close();
  twoThreads.close();
});

const data = tinyDataset({ train: 24, crop: 1, flip: true });
const small: PartialTrainConfig = { dataset: data, model: { name: "cnn", filters: 2 }, batchSize: 8, epochs: 2, epsilon: 8 / 255, evalExamples: 8 };

function begin(settings: PartialTrainConfig, on = device, images: ImageDataset = data): Session {
  const config = resolveTrainConfig({ ...small, ...settings });
  return createSession(createModel(config.model, { classes: 4, shape: data.shape }), config, images, on, { workers: 1 });
}

async function steps(session: Session, from: number, to: number): Promise<void> {
  if (from === 0) {
    await session.ready(null);
    session.initialize();
  }
  for (let i = from; i < to; i++) {
    await session.ready(i);
    session.step(i);
  }
}

/** All parameters after four steps, and the sums. */
async function outcome(settings: PartialTrainConfig, on?: Device, images?: ImageDataset) {
  const session = begin(settings, on, images);
  await steps(session, 0, 4);
  const params = Object.values(session.current.params).flatMap((value) => [...(value as Tensor).data()]);
  const sums = await session.readSums();
  session.dispose({ model: true });
  return { params, sums };
}

describe("micro-batches", () => {
  it.each(["standard", "fgsm", "pgd"] as const)("train as the batch at once does, but for rounding, where there is no batch norm: %s", async (name) => {
    const method = name === "pgd" ? { name, start: "zero" } : { name };
    const [whole, parts] = [await outcome({ method } as PartialTrainConfig), await outcome({ method, microBatch: 2 } as PartialTrainConfig)];
    for (const [i, value] of parts.params.entries()) expect(value).toBeCloseTo(whole.params[i] as number, 5);
    expect(parts.sums.loss).toBeCloseTo(whole.sums.loss, 4);
    expect({ ...parts.sums, loss: 0 }).toEqual({ ...whole.sums, loss: 0 });
  });

  it("are the batch itself where there is one", async () => {
    expect(await outcome({ microBatch: 8 })).toEqual(await outcome({}));
  });

  it("give the same bits on more threads, streamed, and resumed", async () => {
    const settings = { microBatch: 4, averaging: 0.5 };
    const expected = await outcome(settings);
    expect(await outcome(settings, twoThreads)).toEqual(expected);
    expect(await outcome(settings, device, { ...data, train: streamed(data.train, data.shape) })).toEqual(expected);
    const [first, rest] = [begin(settings), begin(settings)];
    await steps(first, 0, 2);
    rest.restore(await storeTree(first.current));
    await steps(rest, 2, 4);
    expect(Object.values(rest.current.params).flatMap((value) => [...(value as Tensor).data()])).toEqual(expected.params);
    for (const session of [first, rest]) session.dispose({ model: true });
  });

  it.each([
    ["free", "which carries something from batch to batch for every place in it"],
    ["lap", "which moves the weights by a whole batch's gradient first"],
  ] as const)("are refused for %s", (method, why) => {
    expect(() => begin({ method, microBatch: 4 })).toThrow(`train: microBatch (=4) must be left out for the method ${method}, ${why}; use a smaller batchSize`);
  });

  it("must divide the batch", () => {
    expect(() => resolveTrainConfig({ ...small, microBatch: 3 })).toThrow("config: microBatch (=3) must be a divisor of 8, the batch size");
  });
});

test("a method that keeps something for every image refuses images that are moved at random", () => {
  const moved = { ...data, train: streamed(data.train, data.shape, { varies: true }) };
  expect(() => begin({ method: "fgsm-mep" }, device, moved)).toThrow(
    "train: the method fgsm-mep keeps something for the pixels of every image, which the data set quarters moves at random",
  );
});

test("large images are evaluated in smaller batches", () => {
  expect([evaluationBatch([3, 32, 32], 128), evaluationBatch([3, 64, 64], 128), evaluationBatch([3, 224, 224], 128)]).toEqual([128, 128, 10]);
  expect(evaluationBatch([3, 4096, 4096], 64)).toBe(1);
});

test("a run that does not fit says so before it begins, with a batch and a micro-batch that do", async () => {
  const images = tinyDataset({ train: 512, crop: 0 });
  const tight = await createDevice({ backend: "wasm", threads: 1, maxBytes: 12 * 2 ** 20 });
  const events: TrainEvent[] = [];
  const run = (settings: PartialTrainConfig) => {
    const config = resolveTrainConfig({ ...small, dataset: images, model: { name: "cnn", filters: 32 }, batchSize: 512, epochs: 1, ...settings });
    return train(config, images, { device: tight, onEvent: (event) => events.push(event) });
  };
  try {
    const refused = await run({}).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OutOfMemoryError);
    expect(events).toEqual([]);
    const told = /^train: batchSize 512 needs (.+) GiB of the device's memory, which is at most 0\.01 GiB; batchSize (\d+) would fit, or microBatch (\d+) with/;
    const later = await run({ batchSize: 8, epochs: 2, phases: "0;1:batch-size=512" }).catch((error: unknown) => error);
    expect((later as Error).message).toMatch(
      /^train: batchSize 512 in phase 2 needs .* GiB; batchSize \d+ would fit, or microBatch \d+ with the same batchSize$/,
    );
    expect(events).toEqual([]);
    const [, , batchSize, microBatch] = told.exec((refused as Error).message) ?? [];
    expect(Number(batchSize)).toBeGreaterThan(32);
    await run({ batchSize: Number(batchSize) });
    await run({ microBatch: Number(microBatch) });
    expect(events.filter(({ type }) => type === "start")).toMatchObject([
      { memory: { most: 12 * 2 ** 20 } },
      { memory: { most: 12 * 2 ** 20 }, microBatches: { parts: 512 / Number(microBatch), size: Number(microBatch), normalized: false } },
    ]);
  } finally {
    tight.close();
  }
});
