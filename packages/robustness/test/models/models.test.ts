/** @file Models: sizes, names, initialisation, and what batch norm's modes do. */

import { cnn, countParameters, createModel, type ModelName, models, preactResnet18 } from "@gradalign/robustness";
import { evaluate, jit, randomKey, type Tensor, tensor, zeros } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";

const key = randomKey(0);
const x = tensor(
  Float32Array.from({ length: 2 * 3 * 64 }, (_, i) => ((i * 7) % 11) / 11),
  [2, 3, 8, 8],
);
const standardDeviation = (data: ArrayLike<number>): number => Math.sqrt(Array.from(data).reduce((s, v) => s + v * v, 0) / data.length);

describe("parameter counts", () => {
  it("match the paper's models", () => {
    expect(countParameters(cnn().init(key).params)).toBe(41_082);
    expect(countParameters(preactResnet18().init(key).params)).toBe(11_171_146);
  });

  it("follow the images: for 1 x 28 x 28 the linear layer of the cnn and the first convolutions shrink", () => {
    const shape = [1, 28, 28] as const;
    expect(countParameters(cnn({ shape }).init(key).params)).toBe(4 * 9 + 4 + 10 * 4 * 28 * 28 + 10);
    expect(countParameters(preactResnet18({ shape }).init(key).params)).toBe(11_171_146 - 2 * 9 * 64);
  });
});

describe("images of 1 x 28 x 28", () => {
  it.each(["cnn", "preact-resnet18"])("%s takes them as they are, without padding", (name) => {
    const model = createModel({ name, ...(name === "cnn" ? { filters: 2 } : { width: 2 }) }, { classes: 10, shape: [1, 28, 28] });
    const { params, state } = model.init(key);
    const images = tensor(
      Float32Array.from({ length: 2 * 784 }, (_, i) => ((i * 7) % 11) / 11),
      [2, 1, 28, 28],
    );
    const logits = evaluate(model.apply(params, state, images, { train: true }).logits);
    expect(logits.shape).toEqual([2, 10]);
    expect([...logits.data()].every(Number.isFinite)).toBe(true);
  });
});

describe.each(Object.keys(models))("%s", (name) => {
  const small: Readonly<Record<string, number>> = { filters: 2, width: 2, widen: 1 };
  const own = Object.keys(models[name as ModelName].options).flatMap((option) => (small[option] === undefined ? [] : [[option, small[option]]]));
  const model = createModel({ name, ...Object.fromEntries(own) }, { classes: 4, shape: [3, 8, 8] });

  it("gives one logit per class and keeps the names of its statistics", () => {
    const { params, state } = model.init(key);
    const result = model.apply(params, state, x, { train: true });
    expect(result.logits.shape).toEqual([2, 4]);
    expect(Object.keys(result.state).sort()).toEqual(Object.keys(state).sort());
    for (const [entry, value] of Object.entries(result.state)) expect(value.shape, entry).toEqual(state[entry]?.shape);
  });

  it("draws other weights from another key and the same from the same", () => {
    const draw = jit((k: typeof key) => Object.values(model.init(k).params)[0] ?? zeros([]));
    const first = draw(randomKey(1)).data();
    expect(draw(randomKey(1)).data()).toEqual(first);
    expect(draw(randomKey(2)).data()).not.toEqual(first);
  });
});

describe("parameter counts of the field's networks", () => {
  it.each([
    ["preact-resnet18-final-norm", 11_172_170],
    ["preact-resnet18-v2", 11_172_170],
    ["resnet18", 11_173_962],
    ["resnet50", 23_520_842],
    ["wide-resnet", 36_479_194],
    ["dm-wide-resnet", 36_479_194],
  ])("%s", (name, count) => {
    expect(countParameters(createModel({ name }).init(key).params)).toBe(count);
  });
});

describe("initialisation", () => {
  it("has the paper's standard deviations: convolutions by outputs, linear layers by inputs", () => {
    const { params } = cnn({ filters: 64, shape: [3, 4, 4] }).init(key);
    const weights = evaluate(params) as Record<string, Tensor>;
    expect(standardDeviation(weights["_model.0.weight"]?.data() ?? [])).toBeCloseTo(Math.sqrt(2 / (9 * 64)), 2);
    expect(standardDeviation(weights["_model.3.weight"]?.data() ?? [])).toBeCloseTo(Math.sqrt(2 / (64 * 16)), 2);
    expect(weights["_model.0.bias"]?.data().every((v) => v === 0)).toBe(true);
  });
});

describe("names and errors", () => {
  it("names the ResNet's tensors as PyTorch does", () => {
    const { params, state } = preactResnet18({ width: 1 }).init(key);
    expect(Object.keys(params)).toEqual(expect.arrayContaining(["conv1.weight", "layer1.0.bn1.weight", "layer2.0.shortcut.0.weight", "linear.bias"]));
    expect(params["layer1.0.shortcut.0.weight"]).toBeUndefined();
    expect(Object.keys(state)).toHaveLength(2 * 16);
  });

  it("says which models there are and what sizes must be", () => {
    // As a checkpoint's manifest may say it.
    for (const shape of [null, {}, [3, 32], [3, 0, 32], ["a", 1, 1]]) {
      expect(() => createModel({ name: "cnn" }, { shape: shape as unknown as [number, number, number] })).toThrow("must be [channels, height, width]");
    }
    expect(() => createModel({ name: "cnn" }, { classes: null as unknown as number })).toThrow("classes (=null) must be an integer");
    expect(() => createModel({ name: "resnet" })).toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: model: name (="resnet") must be one of cnn, preact-resnet18, preact-resnet18-final-norm, preact-resnet18-v2, resnet18, resnet34, resnet50, wide-resnet, dm-wide-resnet, dm-preact-resnet; did you mean resnet18?]`,
    );
    expect(() => cnn({ filters: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: cnn: filters (=0) must be an integer of at least 1; leave it out for the paper's 4]`,
    );
  });
});
