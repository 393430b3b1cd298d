/** @file APGD and Square in l1: the course over shrinking balls, the sparse step value by value, and what they find does not depend on the batch. */
import { attack, attackPlan, functionVictim, l1 } from "@gradalign/robustness";
import { createDevice, evaluate, tensor } from "@gradalign/tensor";
import { describe, expect, it, test } from "vitest";
import { sparseSchedule, sparseSigns } from "../../src/attacks/apgd-sparse.ts";
import { quarters } from "../support/quarters.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

describe("the course", () => {
  const course = (steps: number, shrinking: boolean, count: number) =>
    Array.from({ length: count }, (_, iteration) => sparseSchedule(steps, shrinking, { iteration, epsilon: 12 }));

  test("of 100 steps in shrinking balls: 30, 30 and 40 in 36, 24 and 12, each phase begun anew, looked at after every step", () => {
    const all = course(100, true, 102);
    expect(all.map(({ radius }) => radius)).toEqual([...Array(30).fill(36), ...Array(31).fill(24), ...Array(41).fill(12)]);
    expect(all.flatMap(({ anew }, i) => (anew === 1 ? [i] : []))).toEqual([30, 61]);
    expect(all.map(({ check }) => check)).toEqual(all.map(({ anew }) => 1 - anew));
    // What fools in a larger ball is no success.
    expect(all.map(({ counts }) => counts)).toEqual([...Array(61).fill(0), ...Array(41).fill(1)]);
  });

  test("of 100 steps in one ball: looked at after every fourth", () => {
    const all = course(100, false, 100);
    expect(all.flatMap(({ check }, i) => (check === 1 ? [i + 1] : []))).toEqual(Array.from({ length: 25 }, (_, i) => 4 * (i + 1)));
    expect(all.every(({ radius, anew, counts }) => radius === 12 && anew === 0 && counts === 1)).toBe(true);
  });
});

test.each([0.001, 0.2, 0.5, 1])("a step is of the signs of the largest entries, a share of %s of all, and 1 long", (share) => {
  const [n, d] = [3, 3 * 8 * 8];
  const gradient = Float32Array.from({ length: n * d }, (_, i) => Math.sin(i * i + 1) * 10 ** (Math.floor(i / d) * 12 - 14));
  const found = evaluate(sparseSigns(tensor(gradient, [n, 3, 8, 8]), tensor(new Float32Array(n).fill(share)))).data();
  const kept = d - Math.min(Math.floor(Math.fround(Math.fround(1 - Math.fround(share)) * d)), d - 1);
  for (let image = 0; image < n; image++) {
    const own = [...gradient.subarray(image * d, (image + 1) * d)];
    const threshold = own.map(Math.abs).toSorted((a, b) => b - a)[kept - 1] as number;
    const expected = own.map((g) => (Math.abs(g) >= threshold ? Math.sign(g) / kept : 0));
    expected.forEach((value, i) => {
      expect(found[image * d + i]).toBeCloseTo(value, 6);
    });
  }
});

it("finds the same whatever the batch", { timeout: 60_000 }, async () => {
  const N = 12;
  const { images, labels } = tinyDataset({ train: 4, test: N }).test;
  const pixels = Float32Array.from(images, (byte) => byte / 255);
  const device = await createDevice({ backend: "wasm", threads: 2 });
  const victim = functionVictim(quarters, { shape: [3, 8, 8] });
  const plan = attackPlan("apgd-ce:steps=10,radii=shrinking+square:queries=10", l1);
  const run = (batchSize: number) => attack(victim, pixels, [...labels], { device, attack: plan ?? "none", threat: l1, epsilon: 60, batchSize, checks: false });
  const [whole, small] = [await run(N), await run(8)];
  expect(small.outcomes).toEqual(whole.outcomes);
  expect(whole.robustAccuracy).toBeLessThan(whole.cleanAccuracy);
  for (const { norm } of whole.outcomes) expect(norm).toBeLessThanOrEqual(60);
  expect(new Set(whole.outcomes.map(({ brokenBy }) => brokenBy))).toContain("apgd-ce");
  await expect(attack(victim, pixels, [...labels], { device, attack: "apgd-ce:radii=shrinking", epsilon: 0.1, checks: false })).rejects.toThrow(
    'attack: apgd-ce: radii (="shrinking") must be constant in linf; it is l1\'s',
  );
  device.close();
});
