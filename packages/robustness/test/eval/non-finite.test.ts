/** @file Models that are NaN or infinite: no answer of theirs is right, no gradient aligned, and a restart that breaks one has succeeded. */

import { cnn, evaluateAlignment, evaluateRobustness, l2, type Model, measureAlignment, type Params } from "@gradalign/robustness";
import { add, concat, evaluate, full, gt, mul, randomKey, reshape, sqrt, sum, type Tensor, tensor, type Value, where, zeros } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { openDevices } from "../../../tensor/test/support/devices.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const { test: split, shape } = tinyDataset({ test: 12 });
const model = cnn({ filters: 2, classes: 4, shape });
const sound = evaluate(model.init(randomKey(0)).params) as Params;
const filled = (value: number): Params =>
  Object.fromEntries(Object.entries(sound).map(([name, p]) => [name, tensor((p as Tensor).data().slice().fill(value), p.shape)]));

const { tested } = await openDevices();

describe.each(tested)("on %s", (_, device) => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])("a model of %s has no right answer under any attack", async (value) => {
    for (const attack of ["none", "fgsm", "pgd-2-2"]) {
      const report = await evaluateRobustness(model, filled(value), {}, split, { device, attack, epsilon: 0.05, n: "all" });
      expect(report, attack).toMatchObject({ cleanAccuracy: 0, robustAccuracy: 0, nonFiniteShare: 1 });
    }
  });

  it("its gradient alignment is undefined on every image; a sound model's is not", async () => {
    const options = { device, epsilon: 0.05, n: 12 };
    expect(await measureAlignment(model, filled(Number.NaN), {}, split, options)).toEqual({ n: 12, alignment: null, undefinedShare: 1 });
    expect(await evaluateAlignment(model, filled(Number.NaN), {}, split, options)).toBeNaN();
    // Zero weights have zero gradients.
    expect(await measureAlignment(model, filled(0), {}, split, options)).toEqual({ n: 12, alignment: null, undefinedShare: 1 });
    const report = await measureAlignment(model, sound, {}, split, options);
    expect(report).toMatchObject({ n: 12, undefinedShare: 0 });
    expect(report.alignment).toBeGreaterThan(0.5);
  });

  it("counts the images that break a model, and those that only the attack breaks", async () => {
    // The first logit is infinite where the image is brighter than a threshold.
    const breaking = (threshold: number): Model => ({
      name: "breaking",
      config: { shape: [...shape] },
      init: () => ({ params: {}, state: {} }),
      apply(_params: Params, state: Params, x: Value) {
        const light = sum(reshape(x, [x.shape[0] as number, 192]), [1]);
        const column = reshape(where(gt(light, threshold), Number.POSITIVE_INFINITY, mul(light, 1e-3)), [x.shape[0] as number, 1]);
        return { logits: add(column, zeros([x.shape[0] as number, 4])), state };
      },
    });
    const lights = Array.from({ length: 12 }, (__, i) => split.images.subarray(192 * i, 192 * (i + 1)).reduce((total, byte) => total + byte / 255, 0));
    const middle = [...lights].sort((a, b) => a - b)[6] as number;
    const measure = (threshold: number, attack: string) => evaluateRobustness(breaking(threshold), {}, {}, split, { device, attack, epsilon: 0.2, n: "all" });
    expect((await measure(middle + 1e-3, "none")).nonFiniteShare).toBeCloseTo(lights.filter((light) => light > middle + 1e-3).length / 12, 9);
    const clean = await measure(1e3, "none");
    expect(clean).toMatchObject({ cleanAccuracy: 0.25, nonFiniteShare: 0 });
    // One of many random corners breaks what the others do not: it is the one that counts.
    const brightest = Math.max(...lights);
    const broken = await measure(brightest + 1, "pgd-1-8");
    expect(broken.cleanAccuracy).toBe(0.25);
    expect(broken.nonFiniteShare).toBeGreaterThan(0);
  });

  it("follows a gradient that overflowed", async () => {
    // The root's derivative at a black pixel is infinite, its value is 0.
    const roots: Model = {
      name: "roots",
      config: { shape: [1, 2, 2] },
      init: () => ({ params: {}, state: {} }),
      apply(_params: Params, state: Params, x: Value) {
        const n = x.shape[0] as number;
        return { logits: concat([reshape(sum(sqrt(x), [1, 2, 3]), [n, 1]), full([n, 1], 1)], 1), state };
      },
    };
    const black = { images: new Uint8Array(8), labels: Uint8Array.of(1, 1), count: 2 };
    const report = await evaluateRobustness(roots, {}, {}, black, { device, attack: "fgsm", epsilon: 0.5, threat: l2, n: "all" });
    expect(report).toMatchObject({ cleanAccuracy: 1, robustAccuracy: 0, nonFiniteShare: 0 });
  });
});
