/** @file Balls and the box. */

import { boxDelta, l2, saturatingClamp, threats } from "@gradalign/robustness";
import { evaluate, grad, mul, randomKey, sum, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";

const values = (value: Value): number[] => [...evaluate(value).data()];
const shape = [5, 3, 2, 2];
const gradient = tensor(
  Float32Array.from({ length: 60 }, (_, i) => (i < 12 ? 0 : Math.sin(i) * i)),
  shape,
);

describe.each(Object.values(threats))("$name", (threat) => {
  const epsilon = 0.25;

  it("starts at random inside the ball, by key", () => {
    const start = threat.randomStart(randomKey(3), shape, epsilon);
    const radii = values(threat.distance(start));
    for (const radius of radii) expect(radius).toBeLessThanOrEqual(epsilon * (1 + 1e-6));
    expect(Math.max(...radii)).toBeGreaterThan(epsilon / 2);
    expect(values(threat.randomStart(randomKey(3), shape, epsilon))).toEqual(values(start));
    expect(values(threat.randomStart(randomKey(4), shape, epsilon))).not.toEqual(values(start));
  });

  it("projects onto the ball and leaves its points alone", () => {
    const projected = threat.project(gradient, epsilon);
    for (const radius of values(threat.distance(projected))) expect(radius).toBeLessThanOrEqual(epsilon * (1 + 1e-6));
    expect(values(threat.project(mul(projected, 0.5), epsilon))).toEqual(values(mul(projected, 0.5)));
    expect(values(threat.project(gradient, 0)).every((v) => v === 0)).toBe(true);
  });

  it.each([1e-37, 1e-30, 1e-22, 1e15, 1e22, 1e36])("steps a unit whatever the gradient's size: %s", (scale) => {
    const expected = values(threat.steepest(gradient));
    const step = values(threat.steepest(mul(gradient, scale / 59)));
    for (const [i, v] of step.entries()) expect(v).toBeCloseTo(expected[i] as number, 5);
    const [, length] = values(threat.distance(mul(gradient, scale / 59)));
    expect((length as number) / scale).toBeCloseTo((values(threat.distance(gradient))[1] as number) / 59, 5);
  });

  it("projects vectors whose squares overflow", () => {
    for (const radius of values(threat.distance(threat.project(mul(gradient, 1e30), epsilon)))) expect(radius).toBeLessThanOrEqual(epsilon);
  });

  it("finds a point of ball and box, both in exact arithmetic", () => {
    const x = tensor(
      Float32Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 0 : i % 7 === 3 ? 1 : (i * 0.6180339) % 1)),
      shape,
    );
    const norm = {
      linf: (d: number[]) => Math.max(...d.map(Math.abs)),
      l2: (d: number[]) => Math.hypot(...d),
      l1: (d: number[]) => d.reduce((s, v) => s + Math.abs(v), 0),
    };
    for (const radius of [0, 0.01, epsilon, 3, 30]) {
      const delta = values(threat.within(x, gradient, radius));
      for (let i = 0; i < 60; i += 12) expect(norm[threat.name as "l1"](delta.slice(i, i + 12))).toBeLessThanOrEqual(Math.fround(radius));
      expect(delta.every((d, i) => Math.fround(d + (x.data()[i] as number)) >= 0 && Math.fround(d + (x.data()[i] as number)) <= 1)).toBe(true);
      expect(delta.some((d) => d !== 0)).toBe(radius > 0);
    }
  });

  it("steps a unit along the gradient, and nowhere where it is zero", () => {
    const step = threat.steepest(gradient);
    const lengths = values(threat.distance(step));
    expect(lengths[0]).toBe(0);
    for (const length of lengths.slice(1)) expect(length).toBeCloseTo(1, 5);
    // No unit step rises faster on a linear loss: its product with the gradient is the dual norm.
    const data = [...gradient.data()].slice(12, 24);
    const dual = { linf: data.reduce((s, g) => s + Math.abs(g), 0), l2: Math.hypot(...data), l1: Math.max(...data.map(Math.abs)) }[threat.name];
    expect(values(sum(mul(step, gradient), [1, 2, 3]))[1]).toBeCloseTo(dual as number, 3);
  });
});

describe("the box", () => {
  it("clips x + delta", () => {
    const clipped = values(boxDelta(tensor([0, 0.5, 0.9, 1]), tensor([-0.5, 0.25, 0.25, 0])));
    expect(clipped.map((v) => Number(v.toFixed(6)))).toEqual([0, 0.25, 0.1, 0]);
  });

  it("gives pixels of exactly 0 or 1, and beyond, no gradient", () => {
    const x = tensor([-0.1, 0, 0.5, 1, 1.1]);
    expect(values(grad((v: Value) => sum(saturatingClamp(v)))(x))).toEqual([0, 0, 1, 0, 0]);
    expect(values(saturatingClamp(x)).map((v) => Number(v.toFixed(6)))).toEqual([0, 0, 0.5, 1, 1]);
  });

  it("l2's start is close to the sphere in high dimension", () => {
    const radius = values(l2.distance(l2.randomStart(randomKey(0), [1, 3, 32, 32], 1)))[0] ?? 0;
    expect(radius).toBeGreaterThan(0.98);
  });
});
