/** @file The probability margin attack: its loss's slope, how its steps and halves go, and the confident classifiers it is for. */
import { attack, functionVictim, linf, pma } from "@gradalign/robustness";
import { createDevice, evaluate, grad, mul, sum, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { probabilityMarginAscent } from "../../src/nn/margins.ts";
import { quarters } from "../support/quarters.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const slopeOf = (logits: readonly (readonly number[])[], labels: readonly number[], weights: { readonly rival: number; readonly own: number }): number[] => {
  const loss = (z: Value): Value => sum(probabilityMarginAscent(z, tensor(Int32Array.from(labels)), weights));
  return [...evaluate(grad(loss)(tensor(logits.map((row) => [...row])))).data()];
};

describe("the slope", () => {
  const logits = [
    [2, 0.5, -1, 0.25],
    [-1, 3, 2.5, 0],
    [0.5, -2, 4, 1],
  ];
  const labels = [0, 2, 1];
  /** In float64: rival · p_max - own · p_label. */
  const loss = (row: readonly number[], label: number, rival: number, own: number): number => {
    const sizes = row.map(Math.exp);
    const total = sizes.reduce((a, b) => a + b);
    return (rival * Math.max(...sizes.filter((_, k) => k !== label)) - own * (sizes[label] as number)) / total;
  };

  it.each([
    [1, 1],
    [1, 0],
    [0, 1],
  ])("is that of %s p_max - %s p_label, over what the label leaves", (rival, own) => {
    const expected = logits.flatMap((row, i) => {
      const label = labels[i] as number;
      const left = 1 + loss(row, label, 0, 1);
      const moved = (k: number, by: number) =>
        loss(
          row.map((value, j) => (j === k ? value + by : value)),
          label,
          rival,
          own,
        );
      return row.map((_, k) => (moved(k, 1e-5) - moved(k, -1e-5)) / 2e-5 / left);
    });
    slopeOf(logits, labels, { rival, own }).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] as number, 5);
    });
  });

  it("does not vanish however sure the classifier is", () => {
    const [own, first, second] = slopeOf([[300, 100, 99]], [0], { rival: 1, own: 1 }) as [number, number, number];
    // Of what the label leaves, e / (1 + e) is the first rival's.
    const part = Math.E / (1 + Math.E);
    for (const [value, expected] of [
      [own, -1 - part],
      [first, 2 * part],
      [second, 1 - part],
    ] as const) {
      expect(value).toBeCloseTo(expected, 5);
    }
    const wrong = slopeOf([[100, 300, 99]], [0], { rival: 1, own: 1 });
    expect(wrong.every(Number.isFinite)).toBe(true);
  });
});

describe("the schedule", () => {
  const options = { steps: 100, restarts: 2, eot: 1 };
  const at = (run: number, iteration: number, steps = 100) =>
    pma.schedule?.({ ...options, steps }, { run, iteration, epsilon: 0.1, shape: [3, 8, 8], threat: linf }) as Readonly<Record<string, number>>;

  it("lets the length fall from 2ε along a cosine twice", () => {
    const lengths = [0, 10, 25, 40, 49, 50, 60, 75, 99].map((iteration) => at(0, iteration)["length"] as number);
    const cosine = (part: number): number => 0.1 * (1 + Math.cos(Math.PI * part));
    const expected = [0, 0.2, 0.5, 0.8, 0.98, 0, 0.2, 0.5, 0.98].map(cosine);
    for (const [i, length] of lengths.entries()) expect(length).toBeCloseTo(expected[i] as number, 12);
    expect(at(0, 1, 1)["length"]).toBeLessThanOrEqual(0.2);
  });

  it("climbs one term in the first half, the other one in every other run, and then both", () => {
    const weights = (run: number, iteration: number) => [at(run, iteration)["rival"], at(run, iteration)["own"]];
    expect([weights(0, 0), weights(0, 49), weights(1, 0), weights(1, 49), weights(2, 49)]).toEqual([
      [0, 1],
      [0, 1],
      [1, 0],
      [1, 0],
      [0, 1],
    ]);
    expect([weights(0, 50), weights(1, 99)]).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });
});

it("breaks a classifier whose probabilities are all 0 and 1 in float32", async () => {
  const device = await createDevice({ backend: "wasm", threads: 1 });
  const { test } = tinyDataset({ train: 8, test: 8 });
  const victim = functionVictim((x) => mul(quarters(x), 1000), { shape: [3, 8, 8] });
  const images = Float32Array.from(test.images, (byte) => byte / 255);
  const how = { device, attack: "pma:steps=10", threat: linf, epsilon: 0.6, checks: false } as const;
  const report = await attack(victim, images, test.labels, how);
  expect([report.cleanAccuracy > 0, report.robustAccuracy]).toEqual([true, 0]);
  // 8 images as they are; the first run breaks all of them within its steps and leaves early.
  expect(report.passes.forward).toBeLessThan(8 + 8 * 11);
  device.close();
});
