/** @file Alignment, weight norms, and the overfitting detector on series like the paper's figures. */

import { alignment, detectOverfitting, filterNorms, gradientAlignment, outgoingNorms, type RobustnessPoint } from "@gradalign/robustness";
import { evaluate, mul, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";

const values = (value: Value): number[] => [...evaluate(value).data()].map((v) => Number(v.toFixed(6)));

describe("alignment", () => {
  it("is undefined where a vector is zero or not finite, and leaves those out of the mean", () => {
    const a = tensor([[[[3, 4]]], [[[0, 0]]], [[[1, 2]]], [[[1, Number.NaN]]], [[[Number.POSITIVE_INFINITY, 0]]]]);
    const b = tensor([[[[4, 3]]], [[[1, 1]]], [[[0, 0]]], [[[1, 1]]], [[[1, 1]]]]);
    const { cosine, defined } = alignment(a, b);
    expect(values(cosine)).toEqual([0.96, 0, 0, 0, 0]);
    expect(values(defined)).toEqual([1, 0, 0, 0, 0]);
    expect(values(gradientAlignment(a, b))).toEqual([0.96]);
    expect(values(gradientAlignment(mul(a, 0), b))).toEqual([Number.NaN]);
  });
});

describe("norms", () => {
  it("are per filter", () => {
    expect(values(filterNorms(tensor([[[[3, 4]]], [[[0, 2]]]])))).toEqual([5, 2]);
    // Two classes, two feature maps of two positions each.
    expect(
      values(
        outgoingNorms(
          tensor([
            [1, 1, 0, 2],
            [1, 1, 0, 0],
          ]),
          2,
        ),
      ),
    ).toEqual([2, 2]);
  });
});

describe("catastrophic overfitting", () => {
  const series = (rows: readonly (readonly [pgd: number, fgsm: number, alignment: number])[]): RobustnessPoint[] =>
    rows.map(([pgd, fgsm, aligned], i) => ({
      iteration: 50 * i,
      epoch: i,
      test_pgd_acc: pgd,
      test_fgsm_acc: fgsm,
      gradient_alignment: aligned,
    }));

  it("is found at the evaluation where it happens (ResNet, epoch 23)", () => {
    const found = detectOverfitting(
      series([
        [0.1, 0.1, 0.85],
        [0.3, 0.32, 0.95],
        [0.4, 0.43, 0.95],
        [0, 0.87, 0.05],
        [0, 0.9, 0.05],
      ]),
      0.1,
    );
    expect(found).toMatchObject({ iteration: 150, epoch: 3, before: { iteration: 100 }, after: { iteration: 150 } });
    expect(found?.evidence).toMatchInlineSnapshot(
      `"PGD accuracy fell from 40.0% (iteration 100) to 0.0%, FGSM accuracy went from 43.0% to 87.0%, gradient alignment from 0.95 to 0.05"`,
    );
  });

  it("is found in the small network, where it takes a few evaluations", () => {
    const found = detectOverfitting(
      series([
        [0.1, 0.1, 0.97],
        [0.18, 0.2, 0.97],
        [0.12, 0.25, 0.8],
        [0.05, 0.4, 0.3],
        [0, 0.45, 0.11],
      ]),
      0.1,
    );
    expect(found?.iteration).toBe(150);
  });

  it("is found by the alignment where FGSM accuracy falls too", () => {
    const found = detectOverfitting(
      series([
        [0.4, 0.44, 0.9],
        [0.1, 0.2, 0.1],
      ]),
      0.1,
    );
    expect(found?.iteration).toBe(50);
  });

  it.each([
    [
      "steady training",
      [
        [0.1, 0.1, 0.9],
        [0.3, 0.33, 0.9],
        [0.35, 0.4, 0.88],
        [0.33, 0.4, 0.85],
      ],
    ],
    [
      "noise near chance",
      [
        [0.14, 0.15, 0.9],
        [0.03, 0.2, 0.9],
        [0.12, 0.2, 0.9],
      ],
    ],
    [
      "robustness fading while gradients stay aligned and FGSM accuracy falls as well",
      [
        [0.3, 0.32, 0.9],
        [0.14, 0.18, 0.8],
      ],
    ],
    [
      "standard training, whose alignment halves",
      [
        [0.2, 0.22, 0.92],
        [0.0, 0.15, 0.42],
      ],
    ],
  ] as const)("is not found in %s", (_, rows) => {
    expect(detectOverfitting(series(rows), 0.1)).toBeNull();
  });
});
