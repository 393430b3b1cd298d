/** @file Evaluation: independent of the batch size, stronger with more restarts, the interval, and what is refused. */

import { cnn, type EvaluateOptions, evaluateAlignment, evaluateRobustness, type ImageSplit, type Params, wilsonInterval } from "@gradalign/robustness";
import { createDevice, type Device, evaluate, randomKey } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyDataset } from "../support/tiny-dataset.ts";

const data = tinyDataset({ test: 10 });
const model = cnn({ filters: 2, classes: 4, shape: data.shape });
const params = evaluate(model.init(randomKey(0)).params) as Params;
let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "reference", precision: "float32" });
});
afterAll(() => device.close());

const robustness = (options: Partial<EvaluateOptions>) =>
  evaluateRobustness(model, params, {}, data.test, { device, attack: "pgd-3-2", epsilon: 0.05, n: "all", seed: 1, ...options });

describe("evaluateRobustness", () => {
  it("does not depend on the batch size, not even one that does not divide the number of images", async () => {
    const { seconds: _, ...whole } = await robustness({ batchSize: 10 });
    const { seconds: __, ...parts } = await robustness({ batchSize: 4 });
    expect(parts).toEqual(whole);
    expect(whole.n).toBe(10);
  });

  it("leaves the clean numbers without an attack, and at epsilon 0", async () => {
    const clean = await robustness({ attack: "none" });
    expect(clean.robustAccuracy).toBe(clean.cleanAccuracy);
    const idle = await robustness({ epsilon: 0, attack: "pgd-2" });
    expect(idle.robustAccuracy).toBe(clean.cleanAccuracy);
    expect(idle.meanLoss).toBeCloseTo(clean.meanLoss, 6);
  });

  it("raises the loss with every kind of strength", async () => {
    const clean = await robustness({ attack: "none" });
    const [one, many, restarted] = await Promise.all(["fgsm", "pgd-5", "pgd-5-4"].map((attack) => robustness({ attack })));
    expect(one?.meanLoss).toBeGreaterThan(clean.meanLoss);
    // More restarts include the first one, so the highest loss can only be higher.
    expect(restarted?.meanLoss).toBeGreaterThanOrEqual(many?.meanLoss ?? Infinity);
    expect((await robustness({ epsilon: 0.2 })).meanLoss).toBeGreaterThan((await robustness({})).meanLoss);
  });

  it("reports progress and can be stopped between batches", async () => {
    const done: number[] = [];
    await robustness({ attack: "none", batchSize: 4, onProgress: (progress) => done.push(progress.done) });
    expect(done).toEqual([4, 8, 10]);
    const stop = new AbortController();
    const stopped = robustness({ attack: "none", batchSize: 4, signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) });
    await expect(stopped).rejects.toThrow("enough");
  });

  it("says what is wrong with its arguments", async () => {
    await expect(robustness({ n: 11 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: evaluate: n (=11) must be "all" or an integer from 1 to 10, the number of images]`,
    );
    await expect(robustness({ epsilon: -1 })).rejects.toThrow(/epsilon \(=-1\)/);
    await expect(robustness({ epsilon: 8 })).rejects.toThrow(/epsilon \(=8\) must be at most 1; .*eight levels are 8 \/ 255/);
    await expect(robustness({ imageShape: [3, 4, 4] })).rejects.toThrow(/192 values each/);
  });
});

describe("what is no labelled set of images is refused", () => {
  const { images, labels, count } = data.test;
  const withLabel = (label: number): number[] => Array.from(labels, (l, i) => (i === 5 ? label : l));
  const outOf = (label: number): string => `split.labels[5] (=${label}) must be an integer from 0 to 3, one per class name; number the classes from 0`;
  const wrong: [what: string, change: object, message: string][] = [
    ["a label beyond the classes", { labels: Uint8Array.from(withLabel(4)) }, outOf(4)],
    ["a large label", { labels: Uint8Array.from(withLabel(200)) }, outOf(200)],
    ["a negative label", { labels: Int32Array.from(withLabel(-1)) }, outOf(-1)],
    ["a fraction", { labels: Float32Array.from(withLabel(0.5)) }, outOf(0.5)],
    ["fewer labels than images", { labels: labels.subarray(0, 8) }, "split.labels must be 10 class numbers, one per image, got 8"],
    [
      "no images",
      { images: images.subarray(0, 0), labels: labels.subarray(0, 0), count: 0 },
      "split.count (=0) must be the number of its images; pass a split of a data set, e.g. dataset.test",
    ],
    [
      "images in [0, 1]",
      { images: Float32Array.from(images, (byte) => byte / 255) },
      "split.images must be a Uint8Array of pixels 0..255, got Float32Array; multiply images in [0, 1] by 255 and round",
    ],
  ];

  it.each(wrong)("%s", async (_, change, message) => {
    const split = { images, labels, count, ...change } as ImageSplit;
    const accuracy = evaluateRobustness(model, params, {}, split, { device, attack: "fgsm", epsilon: 0.05 });
    await expect(accuracy).rejects.toThrow(expect.objectContaining({ code: "DataError", message: `evaluate: ${message}` }));
    const alignment = evaluateAlignment(model, params, {}, split, { device, epsilon: 0.05, n: 4 });
    await expect(alignment).rejects.toThrow(expect.objectContaining({ code: "DataError", message: `evaluateAlignment: ${message}` }));
  });

  it("the classes are those of the logits, also of a model that does not name them", async () => {
    const own = { ...model, name: "own", config: { shape: [...data.shape] } };
    const split = { images, count, labels: Uint8Array.from(withLabel(7)) };
    await expect(evaluateRobustness(own, params, {}, split, { device, attack: "none", epsilon: 0 })).rejects.toThrow(`evaluate: ${outOf(7)}`);
  });
});

describe("Wilson's interval", () => {
  it("matches published values", () => {
    // Newcombe 1998, table I: 81/263 -> 0.2553 to 0.3662; 0/20 -> 0 to 0.1611.
    expect(wilsonInterval(81, 263).map((v) => Number(v.toFixed(4)))).toEqual([0.2553, 0.3662]);
    expect(wilsonInterval(0, 20).map((v) => Number(v.toFixed(4)))).toEqual([0, 0.1611]);
    // No rounding at the ends.
    expect([wilsonInterval(0, 1000)[0], wilsonInterval(1000, 1000)[1]]).toEqual([0, 1]);
  });
});
