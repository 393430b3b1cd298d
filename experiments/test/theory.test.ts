/** @file The paper's formulas against what they are about: simulations that do not use them, special cases, compiled gradients. */
import { createDevice } from "@gradalign/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { pseudoRandom } from "../../packages/tensor/test/support/pseudo-random.ts";
import { expectedNorm, meanSquare, normBound, sampleNorms } from "../src/theory/fgsm-rs-norm.ts";
import { alignmentBound, estimateLimit, sampleAlignment } from "../src/theory/initial-alignment.ts";
import { compiledSingleFilter, type SingleFilter, singleFilterFormula } from "../src/theory/single-filter.ts";

const device = await createDevice({ backend: "wasm", threads: 2 });
afterAll(() => device.close());

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("lemma 1", () => {
  const epsilon = 8 / 255;

  test.each([0, 0.3, 1, 1.25, 1.9, 2])("a coordinate's mean square is its integral, step %s eps", (alpha) => {
    // Midpoint rule over eta for min(eta + alpha, eps)^2.
    const n = 20_000;
    const values = Array.from({ length: n }, (_, i) => Math.min(epsilon * ((2 * (i + 0.5)) / n - 1) + alpha * epsilon, epsilon) ** 2);
    expect(meanSquare(epsilon, alpha * epsilon)).toBeCloseTo(mean(values), 8);
  });

  test.each([0, 0.5, 1, 1.25, 2])("in one dimension the expectation is that of |min(eta + alpha, eps)|, step %s eps", (alpha) => {
    const n = 20_000;
    const values = Array.from({ length: n }, (_, i) => Math.abs(Math.min((2 * (i + 0.5)) / n - 1 + alpha, 1)));
    expect(expectedNorm(1, epsilon, alpha * epsilon) / epsilon).toBeCloseTo(mean(values), 5);
  });

  test("without a step in two dimensions it is the mean distance to the centre of a square", () => {
    expect(expectedNorm(2, 1, 0)).toBeCloseTo((Math.SQRT2 + Math.log(1 + Math.SQRT2)) / 3, 6);
  });

  test.each([3, 48, 3072])("samples of the attack agree with the exact expectation and respect the bound, d = %i", async (d) => {
    for (const alpha of [0.25, 1.25]) {
      const norms = [...(await sampleNorms(device, d, alpha, 2000, 7))];
      const center = mean(norms);
      const error = Math.sqrt(mean(norms.map((norm) => (norm - center) ** 2)) / norms.length);
      expect(Math.abs(center - expectedNorm(d, 1, alpha))).toBeLessThan(4 * error);
      expect(mean(norms.map((norm) => norm ** 2)) / normBound(d, 1, alpha) ** 2).toBeCloseTo(1, 1);
      expect(expectedNorm(d, 1, alpha)).toBeLessThan(normBound(d, 1, alpha));
    }
  });

  test("with the recommended step it is the paper's 7/255 per pixel at 8/255", () => {
    expect((255 * normBound(3072, epsilon, 1.25 * epsilon)) / Math.sqrt(3072)).toBeCloseTo(7.106, 3);
  });
});

describe("lemma 2", () => {
  test("bound and limit agree with a simulation in double precision", async () => {
    const [p, epsilon] = [9, 24 / 255];
    const next = pseudoRandom(5);
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const sums = { tail: 0, both: 0, here: 0, near: 0 };
    const n = 40_000;
    for (let i = 0; i < n; i++) {
      let [norm, s, sNear] = [0, 0, 0];
      for (let j = 0; j < p; j++) {
        const w = normal();
        const z = next();
        norm += w * w;
        s += w * z;
        sNear += w * (z + epsilon * (2 * next() - 1));
      }
      sums.tail += Math.exp(-(s * s) / norm / epsilon ** 2) / n;
      if (s >= 0 && sNear >= 0) sums.both += norm / n;
      if (s >= 0) sums.here += norm / n;
      if (sNear >= 0) sums.near += norm / n;
    }
    const { bound, limit } = await estimateLimit(device, p, epsilon, 40_000, 1);
    expect(bound).toBeCloseTo(alignmentBound(sums.tail), 1.7);
    expect(limit).toBeCloseTo(sums.both / Math.sqrt(sums.here * sums.near), 2);
    expect(limit).toBeGreaterThan(bound);
  });

  test.each([
    [1, 0.902, 0.999],
    [8, 0.725, 0.995],
    [16, 0.612, 0.98],
  ])("27-dimensional patches at %i/255", async (eps, bound, limit) => {
    const estimate = await estimateLimit(device, 27, eps / 255, 60_000, 2);
    expect(Math.abs(estimate.bound - bound)).toBeLessThan(0.015);
    expect(Math.abs(estimate.limit - limit)).toBeLessThan(0.012);
  });

  test("is never below one half", () => {
    expect(alignmentBound(1)).toBe(0.5);
    expect(alignmentBound(0)).toBe(1);
  });

  test("the compiled gradients of a wide network come close to the limit", async () => {
    const epsilon = 32 / 255;
    const { limit } = await estimateLimit(device, 27, epsilon, 40_000, 3);
    const cosines = await sampleAlignment(device, { patch: 27, patches: 64, filters: 256 }, epsilon, 3, 3);
    for (const cosine of cosines) expect(Math.abs(cosine - limit)).toBeLessThan(0.02);
  });
});

describe("equation 6", () => {
  const network = (bias: number, epsilon: number, seed: number): SingleFilter => {
    const next = pseudoRandom(seed);
    const [k, p] = [40, 12];
    const draw = (n: number, scale: number, shift: number) => Float32Array.from({ length: n }, () => scale * (next() - shift));
    return { w: draw(p, 2, 0.5), bias, u: draw(k, 1, 0.5), z: draw(k * p, 1, 0.5), eta: draw(k * p, 2 * epsilon, 0.5) };
  };

  test("gives the compiled gradients' cosine", async () => {
    const program = compiledSingleFilter(device);
    const cosines: number[] = [];
    for (let seed = 0; seed < 8; seed++) {
      const test = network(-0.05, 0.2, seed);
      const { cosine } = singleFilterFormula(test);
      expect(Math.abs((await program.cosine(test)) - cosine)).toBeLessThan(2e-6);
      cosines.push(cosine);
    }
    program.dispose();
    // Cases in which the masks differ: a formula that ignored them would fail.
    expect(Math.min(...cosines)).toBeLessThan(0.95);
    expect(new Set(cosines).size).toBeGreaterThan(4);
  });

  test("counts active patches by their squared outgoing weights", () => {
    const one = { w: Float32Array.of(1), bias: 0, u: Float32Array.of(3, 4, 5), z: Float32Array.of(0.1, -0.1, 0.1), eta: Float32Array.of(0, 0.2, -0.2) };
    // Active at x: patches 0 and 2; at x + eta: 0 and 1; at both: 0.
    expect(singleFilterFormula(one)).toEqual({ cosine: 9 / Math.sqrt(34 * 25), active: 2, activeNear: 2, both: 1 });
  });
});
