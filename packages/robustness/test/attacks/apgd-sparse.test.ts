/** @file APGD and Square in l1: the course over shrinking balls, the sparse step value by value, and what they find does not depend on the batch. */
import { type AttackSite, attack, attackPlan, functionVictim, l1 } from "@gradalign/robustness";
import { createDevice, evaluate, lt, max, mul, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it, test } from "vitest";
import { sparseSchedule, sparseSigns, sparseStep } from "../../src/attacks/apgd-sparse.ts";
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

describe("a look at the course, in a ball of radius 12 around images of 16 zeros", () => {
  const spread = (values: readonly number[]): Value => {
    const data = values.flatMap((value) => Array.from({ length: 16 }, (_, i) => (i < value ? 0.25 : 0)));
    return tensor(Float32Array.from(data), [values.length, 1, 4, 4]);
  };
  const each = (...values: number[]): Value => tensor(Float32Array.from(values));
  const unasked = (): never => {
    throw new Error("not asked in a step");
  };
  const site = (check: number): AttackSite => ({
    victim: { classes: 2, fooled: (logits) => lt(max(logits, [1]), 0), ascent: unasked, logits: unasked, gradient: unasked, gradients: unasked },
    ...{ x: spread([0, 0, 0]), labels: tensor([0, 0, 0], [3], "int32"), target: tensor([0, 0, 0], [3], "int32") },
    ...{ threat: l1, epsilon: 12, keys: tensor([1, 2], [2], "int32"), iteration: 1 },
    schedule: { radius: tensor(12), anew: tensor(0), check: tensor(check), counts: tensor(1) },
  });
  // The first image's best point has become sparser by more than 5 %, the others' have not; the last step is as short as steps become.
  const best = spread([4, 8, 8]);
  const state = {
    ...{ point: spread([16, 16, 16]), gradient: spread([16, 16, 16]), best, bestGradient: mul(best, 2), bestLoss: each(9, 9, 9) },
    ...{ adversarial: spread([0, 0, 0]), found: each(0, 0, 0), length: each(6, 6, 1.3), share: each(0.2, 0.2, 0.2), changed: each(5, 8, 8) },
  };
  const step = (check: number) =>
    evaluate(
      sparseStep(site(check), state, (point) => ({ logits: tensor(new Float32Array(6).fill(1), [3, 2]), losses: each(1, 1, 1), gradient: mul(point, 3) })),
    );

  test("restarts from the best point with long steps where it has become sparser, else divides the step by 1.5, down to a tenth of the radius", () => {
    const { length, share, changed, point, gradient } = step(1);
    expect([...length.data()]).toEqual([12, 4, 1.2].map(Math.fround));
    expect([...changed.data()]).toEqual([4, 8, 8]);
    expect([...share.data()]).toEqual([4, 8, 8].map((count) => Math.fround(count / 16 / 1.5)));
    expect([...point.data()].slice(0, 16)).toEqual([...evaluate(best).data()].slice(0, 16));
    expect([...gradient.data()].slice(0, 16)).toEqual([...evaluate(state.bestGradient).data()].slice(0, 16));
    expect([...gradient.data()].slice(16)).toEqual([...point.data()].slice(16).map((value) => Math.fround(3 * value)));
  });

  test("changes nothing of the course between looks", () => {
    const { length, share, changed } = step(0);
    expect([length, share, changed].map((value) => [...value.data()])).toEqual([state.length, state.share, state.changed].map((v) => [...evaluate(v).data()]));
  });
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
