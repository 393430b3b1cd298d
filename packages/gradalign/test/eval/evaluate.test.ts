/** @file Evaluation: independent of the batch size, the worst of several restarts, and the interval. */
import { createDevice, type Device, evaluate, randomKey } from "@gradalign/tensor";
import { cnn, type EvaluateOptions, evaluateRobustness, type Params, wilsonInterval } from "gradalign";
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
    // More restarts include the first one, so the worst can only get worse.
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
    await expect(robustness({ imageShape: [3, 4, 4] })).rejects.toThrow(/192 values each/);
  });
});

describe("Wilson's interval", () => {
  it("matches published values", () => {
    // Newcombe 1998, table I: 81/263 -> 0.2553 to 0.3662; 0/20 -> 0 to 0.1611.
    expect(wilsonInterval(81, 263).map((v) => Number(v.toFixed(4)))).toEqual([0.2553, 0.3662]);
    expect(wilsonInterval(0, 20).map((v) => Number(v.toFixed(4)))).toEqual([0, 0.1611]);
  });
});
