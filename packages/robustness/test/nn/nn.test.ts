/** @file Layers against their formulas, written out in plain loops. */

import {
  ascentLossPerExample,
  batchNorm,
  cosineSimilarity,
  crossEntropy,
  crossEntropyPerExample,
  isCorrect,
  linear,
  meanCosine,
  relu,
} from "@gradalign/robustness";
import { add, evaluate, grad, mean, mul, square, sum, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";

const values = (value: Value): number[] => [...evaluate(value).data()];
const closeTo = (actual: readonly number[], expected: readonly number[], digits = 6): void => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i] as number, digits);
};

describe("cross-entropy", () => {
  const logits = tensor([
    [1, 2, 0.5],
    [-3, 0, 3],
  ]);
  const labels = tensor(Uint8Array.of(0, 2));

  it("is the log of the softmax's reciprocal", () => {
    const softmaxLoss = (row: number[], label: number): number => -Math.log(Math.exp(row[label] as number) / row.reduce((s, z) => s + Math.exp(z), 0));
    const expected = [softmaxLoss([1, 2, 0.5], 0), softmaxLoss([-3, 0, 3], 2)];
    closeTo(values(crossEntropyPerExample(logits, labels)), expected);
    closeTo(values(crossEntropy(logits, labels)), [((expected[0] as number) + (expected[1] as number)) / 2]);
  });

  it("has the gradient (softmax - one-hot) / N", () => {
    const gradient = values(grad((z: Value) => crossEntropy(z, labels))(logits));
    const p = [1, 2, 0.5].map(Math.exp);
    const total = p.reduce((a, b) => a + b);
    closeTo(
      gradient.slice(0, 3),
      p.map((e, k) => (e / total - (k === 0 ? 1 : 0)) / 2),
    );
  });

  it("stays finite for logits that overflow exp", () => {
    const large = tensor([[1000, -1000, 0]]);
    closeTo(values(crossEntropyPerExample(large, tensor(Uint8Array.of(1)))), [2000]);
    expect(values(grad((z: Value) => crossEntropy(z, tensor(Uint8Array.of(1))))(large))).toEqual([1, -1, 0]);
  });

  it("no answer with a logit that is not finite is right", () => {
    const { NaN: nan, POSITIVE_INFINITY: infinite } = Number;
    const logits = tensor([
      [nan, nan],
      [infinite, 0],
      [3, -infinite],
      [3, 2],
    ]);
    expect(values(isCorrect(logits, tensor(Uint8Array.of(0, 0, 0, 0))))).toEqual([0, 0, 0, 1]);
  });

  it("has a gradient whose direction is not lost to confidence", () => {
    const gradientOf = (loss: typeof crossEntropyPerExample, margin: number): number[] =>
      values(grad((z: Value) => sum(loss(z, tensor(Uint8Array.of(0)))))(tensor([[margin, 0, -1]])));
    for (const margin of [-5, 0, 3, 60]) expect(gradientOf(ascentLossPerExample, margin)).toEqual(gradientOf(crossEntropyPerExample, margin));
    expect(gradientOf(crossEntropyPerExample, 200)).toEqual([0, 0, 0]);
    const share = 1 / (1 + Math.exp(-1));
    for (const margin of [65, 200, 1e30]) closeTo(gradientOf(ascentLossPerExample, margin), [-1, share, 1 - share]);
    // One class alone cannot be wrong.
    expect(values(grad((z: Value) => sum(ascentLossPerExample(z, tensor(Uint8Array.of(0)))))(tensor([[7]])))).toEqual([0]);
  });

  it("counts the first largest logit as the prediction", () => {
    expect(
      values(
        isCorrect(
          tensor([
            [1, 1],
            [0, 1],
          ]),
          tensor(Uint8Array.of(1, 1)),
        ),
      ),
    ).toEqual([0, 1]);
  });
});

describe("layers", () => {
  it("relu has derivative 0 at 0", () => {
    expect(values(grad((x: Value) => sum(relu(x)))(tensor([-1, 0, 2])))).toEqual([0, 0, 1]);
  });

  it("linear multiplies by the transposed weight", () => {
    expect(
      values(
        linear(
          tensor([[1, 2]]),
          tensor([
            [1, 10],
            [100, 1000],
            [0, 1],
          ]),
          tensor([0.5, 0, -1]),
        ),
      ),
    ).toEqual([21.5, 2100, 1]);
  });
});

describe("batch norm", () => {
  // Two images, two channels of 1 x 2.
  const x = tensor([
    [[[1, 3]], [[0, 0]]],
    [[[5, 7]], [[4, 8]]],
  ]);
  const tensors = { weight: tensor([2, 1]), bias: tensor([0.5, 0]), runningMean: tensor([1, 1]), runningVar: tensor([4, 9]) };

  it("normalises with the biased variance and moves the statistics with the unbiased one", () => {
    const { y, runningMean, runningVar } = batchNorm(x, tensors, { train: true });
    // Channel 0: mean 4, biased variance 5, unbiased 20/3; channel 1: mean 3, biased 11, unbiased 44/3.
    const expected = [1, 3, 5, 7].map((v) => ((v - 4) / Math.sqrt(5 + 1e-5)) * 2 + 0.5);
    const out = values(y);
    closeTo([out[0], out[1], out[4], out[5]] as number[], expected);
    closeTo(values(runningMean), [0.9 + 0.4, 0.9 + 0.3]);
    closeTo(values(runningVar), [0.9 * 4 + (0.1 * 20) / 3, 0.9 * 9 + (0.1 * 44) / 3], 5);
  });

  it("uses and keeps the running statistics in eval mode", () => {
    const { y, runningMean } = batchNorm(x, tensors, { train: false });
    expect(values(y)[0]).toBeCloseTo(0.5, 5);
    expect(runningMean).toBe(tensors.runningMean);
  });

  it("refuses a single value per channel in train mode", () => {
    const one = tensor([[[[1]], [[2]]]]);
    expect(() => batchNorm(one, tensors, { train: true })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: batchNorm: training needs more than one value per channel, got x of shape [1, 2, 1, 1]]`,
    );
  });
});

describe("cosine similarity", () => {
  const a = tensor([
    [3, 4],
    [0, 0],
    [1, 0],
    [1e-22, 1e-22],
  ]);
  const b = tensor([
    [4, 3],
    [1, 2],
    [-2, 0],
    [2e-22, 0],
  ]);

  it("is the normalised inner product, undefined for zero vectors, exact for tiny ones", () => {
    const { cosine, defined } = cosineSimilarity(a, b);
    closeTo(values(cosine), [24 / 25, 0, -1, Math.SQRT1_2]);
    expect(values(defined)).toEqual([1, 0, 1, 1]);
  });

  it("averages over the examples where it is defined", () => {
    closeTo(values(meanCosine(a, b, 1)), [(24 / 25 - 1 + Math.SQRT1_2) / 3]);
    expect(values(meanCosine(tensor([[0, 0]]), tensor([[1, 1]]), 1))).toEqual([1]);
  });

  it("has the derivative (b/|b| - cos a/|a|) / |a|, and zero where undefined", () => {
    const gradient = values(grad((v: Value) => sum(cosineSimilarity(v, b).cosine))(a));
    const expected = [4 / 5 - (24 / 25) * (3 / 5), 3 / 5 - (24 / 25) * (4 / 5)].map((d) => d / 5);
    closeTo(gradient.slice(0, 4), [...expected, 0, 0]);
  });

  it("has finite second derivatives where a vector is zero", () => {
    const penalty = (v: Value): Value => add(mean(cosineSimilarity(v, b).cosine), sum(square(mul(v, 0))));
    const second = grad((v: Value) => sum(square(grad(penalty)(v))))(a);
    expect(values(second).slice(0, 6).every(Number.isFinite)).toBe(true);
    expect(values(second).slice(2, 4)).toEqual([0, 0]);
  });
});
