/** @file Mixup and CutMix in training: what is drawn, the loss of a step by its formula, and the same bits however a run is done. */
import {
  createModel,
  createSession,
  type ImageDataset,
  isCorrect,
  type MethodName,
  type PartialTrainConfig,
  resolveTrainConfig,
  type Session,
} from "@gradalign/robustness";
import { createDevice, type Device, evaluate, permutation, type Tensor, tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { keyFor } from "../../src/keys.ts";
import { crossEntropyPerExample, isLabel } from "../../src/nn/cross-entropy.ts";
import { drawnMixture } from "../../src/train/mixing.ts";
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

const data = tinyDataset({ train: 24 });
const pixels = 3 * 8 * 8;
const BOTH = { mixup: 0.4, cutmix: 1 };

function begin(settings: PartialTrainConfig, on = device, images: ImageDataset = data): Session {
  const config = resolveTrainConfig({
    ...{ dataset: data, model: { name: "cnn", filters: 2 }, method: "fgsm", batchSize: 8, epochs: 2, epsilon: 8 / 255, augment: BOTH },
    ...settings,
  });
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

const parameters = (session: Session): number[] => Object.values(session.current.params).flatMap((value) => [...(value as Tensor).data()]);

/** All parameters after five steps of a run of six. */
async function outcome(settings: PartialTrainConfig = {}, on?: Device, images?: ImageDataset): Promise<number[]> {
  const session = begin(settings, on, images);
  await steps(session, 0, 5);
  const params = parameters(session);
  session.dispose({ model: true });
  return params;
}

describe("what is drawn", () => {
  const drawn = (alpha: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => drawnMixture({ mixup: alpha }, keyFor(3, "mixing", i), [3, 8, 8]).label);

  it.each([0.1, 0.2, 1, 4])("shares of Beta(x, x), x = %d: mean 1/2, variance 1 / (8 alpha + 4), and a function of the key", (alpha) => {
    const shares = drawn(alpha, 4000);
    const mean = shares.reduce((a, b) => a + b) / shares.length;
    const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length;
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...shares)).toBeLessThanOrEqual(1);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    expect(variance * (8 * alpha + 4)).toBeCloseTo(1, 1);
    expect(drawn(alpha, 20)).toEqual(shares.slice(0, 20));
  });

  it("one of the two in about half of the batches each, where both are asked for", () => {
    const isBox = Array.from({ length: 400 }, (_, i) => drawnMixture(BOTH, keyFor(0, "mixing", i), [3, 8, 8]).pixels === 1);
    const share = isBox.filter(Boolean).length / isBox.length;
    expect(Math.abs(share - 0.5)).toBeLessThan(0.1);
  });
});

test("the class of mixed labels is the one with the larger share", () => {
  const labels = tensor([
    [0.75, 0.25, 0],
    [0.25, 0, 0.75],
  ]);
  const logits = tensor([
    [3, 1, 2],
    [3, 1, 2],
  ]);
  expect([...evaluate(isCorrect(logits, labels)).data()]).toEqual([1, 0]);
  expect([...evaluate(isLabel(logits, labels)).data()]).toEqual([1, 0, 0, 0, 0, 1]);
});

test.each([{ mixup: 0.4 }, { cutmix: 1 }])("a step's loss on clean images is that of both labels, in their shares: %j", async (augment) => {
  const session = begin({ method: "standard", augment: { ...augment, crop: 0 }, seed: 1 });
  await steps(session, 0, 0);
  session.clearSums();
  const { params, state } = session.current;
  const before = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, tensor((value as Tensor).data(), value.shape)]));
  session.step(0);
  const { loss } = await session.readSums();

  // Iteration 0 is the first of epoch 1, whose batches are numbered from 3 on.
  const { pixels: share, label, box } = drawnMixture(augment, keyFor(1, "mixing", 3), [3, 8, 8]);
  const [top, left, bottom, right] = box.map(([edge]) => edge) as [number, number, number, number];
  const order = [...permutation(keyFor(1, "order", 1), 24)].slice(0, 8);
  const other = (i: number): number => (i % 2 === 0 ? i + 1 : i - 1);
  const x = Float32Array.from({ length: 8 * pixels }, (_, at) => {
    const [i, pixel] = [Math.floor(at / pixels), at % pixels];
    const [row, column] = [Math.floor(pixel / 8) % 8, pixel % 8];
    const [own, others] = [i, other(i)].map((image) => (data.train.images[(order[image] as number) * pixels + pixel] as number) / 255) as [number, number];
    const inside = row >= top && row < bottom && column >= left && column < right;
    return inside ? others : share * own + (1 - share) * others;
  });
  const labels = order.map((row) => data.train.labels[row] as number);
  const model = createModel({ name: "cnn", filters: 2 }, { classes: 4, shape: data.shape });
  const { logits } = model.apply(before, state, tensor(x, [8, 3, 8, 8]), { train: true });
  const losses = (classes: readonly number[]): number[] => [...evaluate(crossEntropyPerExample(logits, tensor(Uint8Array.from(classes)))).data()];
  const [first, second] = [losses(labels), losses(labels.map((_, i) => labels[other(i)] as number))];
  const expected = first.reduce((sum, own, i) => sum + label * own + (1 - label) * (second[i] as number), 0) / 8;
  expect(loss).toBeCloseTo(expected, 5);
  expect(0 < label && label < 1).toBe(true);
  session.dispose({ model: true });
});

describe("a run that mixes", () => {
  it("differs from one that does not, and has the same bits on more threads, streamed, and resumed", async () => {
    const expected = await outcome();
    expect(expected).not.toEqual(await outcome({ augment: {} }));
    expect(await outcome({}, twoThreads)).toEqual(expected);
    expect(await outcome({}, device, { ...data, train: streamed(data.train, data.shape) })).toEqual(expected);
    const [first, rest] = [begin({}), begin({})];
    await steps(first, 0, 2);
    rest.restore(await storeTree(first.current));
    await steps(rest, 2, 5);
    expect(parameters(rest)).toEqual(expected);
    for (const session of [first, rest]) session.dispose({ model: true });
  });

  it("trains in micro-batches as at once, but for rounding", async () => {
    const [whole, parts] = [await outcome(), await outcome({ microBatch: 2 })];
    for (const [i, value] of parts.entries()) expect(value).toBeCloseTo(whole[i] as number, 5);
  });

  it.each(["free", "mart", "stable-fgsm", "elle", "aaer", "fgsm-gradalign"] as const)("by %s", async (name) => {
    for (const value of await outcome({ method: name })) expect(Number.isFinite(value)).toBe(true);
  });

  it("is refused where images of a batch are no pairs, or a method keeps something for each image", () => {
    expect(() => begin({ batchSize: 7 })).toThrow("config: batchSize (=7) must be even with mixup or cutmix, which mix images in pairs");
    expect(() => begin({ batchSize: 6, microBatch: 3 })).toThrow("config: microBatch (=3) must be even");
    for (const method of ["atas", "fgsm-mep"] satisfies MethodName[])
      expect(() => begin({ method })).toThrow(`must be left out for ${method}, which keeps something for every image`);
    expect(() => begin({ augment: { mixup: 5 } })).toThrow("config: augment.mixup (=5) must be a number above 0 and up to 4");
  });
});
