/** @file Transcendental functions at the edges of float32: overflow, underflow, NaN, and relative accuracy near zero. */
import { concat, cos, createDevice, type Device, exp, grad, jit, log, reshape, sin, sqrt, sum, tanh, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();

async function map(f: (x: Value) => Value, values: readonly number[], device: Device): Promise<number[]> {
  return [...(await jit(f, { device })(Float32Array.from(values)).read())];
}

/** Largest |actual − expected| / |expected|. */
function worst(actual: readonly number[], expected: readonly number[]): number {
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value) / Math.abs(value)));
}

/** Values of both signs whose magnitudes are spread evenly over a logarithmic range; a count that is no multiple of four also
 * covers code for single elements. */
function logarithmic(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround((i % 2 === 0 ? 1 : -1) * from * (to / from) ** (i / (count - 1))));
}

/** Largest error in units of the last place of the exact result, to which subnormal ones count as 2^-126. NaN where either is NaN alone. */
function worstUlp(actual: readonly number[], exact: readonly number[]): number {
  return exact.reduce((most, value, i) => {
    if (Object.is(actual[i], Math.fround(value))) return most;
    const size = Math.max(Math.abs(value), 2 ** -126);
    return Math.max(most, Math.abs(actual[i]! - value) / 2 ** (Math.floor(Math.log2(size)) - 23));
  }, 0);
}

/** Numbers that look random, uniform in [-1, 1). */
function scattered(count: number): number[] {
  let word = 1;
  return Array.from({ length: count }, () => {
    word = Math.imul(word, 1664525) + 1013904223;
    return (word | 0) / 2 ** 31;
  });
}

/** The float32 nearest to n·π/2 and its two neighbours, where sine or cosine is smallest, for all n up to 1e5 radians. */
function nearRightAngles(): number[] {
  const count = Math.floor(1e5 / (Math.PI / 2));
  const nearest = Float32Array.from({ length: count }, (_, n) => ((n + 1) * Math.PI) / 2);
  const bits = new Int32Array(nearest.buffer);
  return [-1, 0, 1].flatMap((step) => [...new Float32Array(bits.map((word) => word + step).buffer)]);
}

/** All of float32 but NaN: evenly in its bits. */
function everyMagnitude(count: number): number[] {
  return [...new Float32Array(Int32Array.from(scattered(count), (u) => u * 2 ** 31).buffer)].filter((x) => !Number.isNaN(x));
}

const devices: [string, Device][] = [["reference", reference], ...tested];

describe.each(devices)("%s", (_, device) => {
  test("exp beyond the range of float32", async () => {
    const x = [-200, -Infinity, Infinity, NaN, 89, -104, -1000, 0, -0];
    expect(await map(exp, x, device)).toEqual(
      [0, 0, Infinity, NaN, Infinity, 0, 0, 1, 1].map((y, i) => (device === reference ? Math.fround(Math.exp(x[i]!)) : y)),
    );
  });

  test("exp down to the subnormals", async () => {
    const x = [-87.5, -95, -100, -103, -103.9];
    const actual = await map(exp, x, device);
    x.forEach((value, i) => {
      // WGSL may take subnormal numbers for zero, and results below 2^-126 are some.
      if (device.backend === "webgpu" && actual[i] === 0 && Math.exp(value) < 2 ** -126) return;
      // Half a unit of the smallest subnormal, and the formula's relative error.
      expect(Math.abs(actual[i]! - Math.exp(Math.fround(value)))).toBeLessThan(2 ** -149 + 3e-7 * Math.exp(value));
      expect(actual[i]).toBeGreaterThan(0);
    });
  });

  test("exp is accurate to a few units in the last place", async () => {
    const x = logarithmic(1e-6, 87, 1001);
    expect(worst(await map(exp, x, device), x.map(Math.exp))).toBeLessThan(2.5e-7);
  });

  test("log at its edges, and of subnormals", async () => {
    expect(await map(log, [0, -1, Infinity, NaN, 1], device)).toEqual([-Infinity, NaN, Infinity, NaN, 0]);
    // WGSL may take subnormal numbers for zero.
    const subnormal = device.backend === "webgpu" ? [] : [1e-45, 1e-40];
    const x = [...subnormal, 1.1754945e-38, 3.4e38].map(Math.fround);
    expect(worst(await map(log, x, device), x.map(Math.log))).toBeLessThan(2e-7);
  });

  test("tanh is accurate relative to its value, also near zero", async () => {
    const x = logarithmic(1e-6, 10, 1003);
    expect(worst(await map(tanh, x, device), x.map(Math.tanh))).toBeLessThan(1e-6);
    expect(await map(tanh, [0, 1e-30, 50, -50, Infinity, -Infinity, NaN], device)).toEqual([0, Math.fround(1e-30), 1, -1, 1, -1, NaN]);
  });

  test("tanh's derivatives of first and second order", async () => {
    const derivative = (x: Value): Value => grad((y: Value) => sum(tanh(y)))(x);
    const second = (x: Value): Value => grad((y: Value) => sum(derivative(y)))(x);
    const x = [0, 1e-4, -0.3, 0.62, 0.63, -2, 5, 100, -100];
    const slope = x.map((value) => 1 / Math.cosh(value) ** 2);
    (await map(derivative, x, device)).forEach((value, i) => {
      expect(value).toBeCloseTo(slope[i]!, 6);
    });
    (await map(second, x, device)).forEach((value, i) => {
      expect(value).toBeCloseTo(-2 * Math.tanh(x[i]!) * slope[i]!, 6);
    });
    expect(await map(derivative, [0], device)).toEqual([1]);
  });

  /** WGSL may take subnormal numbers for zero, as operands and as results. */
  const keeps = (x: number): boolean => device.backend !== "webgpu" || x === 0 || Math.abs(x) >= 2 ** -126;

  test("sin and cos are within two units in the last place for angles up to 1e5", async () => {
    const right = nearRightAngles();
    const x = [...right, ...right.map((angle) => -angle), ...logarithmic(1e-30, 1e5, 100_003), ...scattered(100_000).map((u) => Math.fround(1e5 * u))];
    expect(worstUlp(await map(sin, x, device), x.map(Math.sin))).toBeLessThan(2);
    expect(worstUlp(await map(cos, x, device), x.map(Math.cos))).toBeLessThan(2);
  });

  test("sin and cos of any finite angle lie in [-1, 1]; angles beyond the bound are the bound", async () => {
    const x = [...logarithmic(1e5, 3.4e38, 20_001), 3.4028234663852886e38, -3.4028234663852886e38];
    for (const f of [sin, cos]) {
      const y = await map(f, x, device);
      expect(y.filter((value) => !(Math.abs(value) <= 1))).toEqual([]);
      if (device === reference) continue;
      const [low, high] = await map(f, [-102_943, 102_943], device);
      x.forEach((angle, i) => {
        if (Math.abs(angle) > 102_943) expect(y[i]).toBe(angle < 0 ? low : high);
      });
    }
  });

  test("sin and cos at their edges", async () => {
    const x = [NaN, Infinity, -Infinity, 0, -0, Math.fround(1e-30), Math.fround(-1e-30), 2 ** -126, ...[1e-40, -1e-45].map(Math.fround).filter(keeps)];
    expect(await map(sin, x, device)).toEqual(x.map((angle) => (Math.abs(angle) < 1 ? angle : NaN)));
    expect(await map(cos, x, device)).toEqual(x.map((angle) => (Math.abs(angle) < 1 ? 1 : NaN)));
  });

  test("derivatives of sin and cos, of first and second order", async () => {
    const x = [0, 1, -3, 100.5, -7777, 99_999];
    const derivative =
      (f: (x: Value) => Value) =>
      (x: Value): Value =>
        grad((y: Value) => sum(f(y)))(x);
    const cases: [(x: Value) => Value, (x: number) => number][] = [
      [derivative(sin), Math.cos],
      [derivative(cos), (angle) => -Math.sin(angle)],
      [derivative(derivative(sin)), (angle) => -Math.sin(angle)],
      [derivative(derivative(cos)), (angle) => -Math.cos(angle)],
    ];
    for (const [f, exact] of cases) {
      (await map(f, x, device)).forEach((value, i) => {
        expect(Math.abs(value - exact(x[i]!))).toBeLessThan(2e-7);
      });
    }
  });

  test.each([
    ["exp", exp, Math.exp, 1],
    ["log", log, Math.log, 1],
    ["tanh", tanh, Math.tanh, 1.5],
    ["sqrt", sqrt, Math.sqrt, 0.5001],
  ] as const)("%s of numbers of every magnitude", async (__, f, exact, bound) => {
    const edges = [0, -0, Infinity, -Infinity, NaN, 1, -1, 88.722839, 88.72284, -87.33654, -103.97, -103.98, 0.625, 2 ** -126, -(2 ** -126)];
    const dense = scattered(50_001).flatMap((u) => [105 * u, 1 + u, u]);
    const x = [...edges, ...everyMagnitude(100_000), ...dense].map(Math.fround).filter((value) => keeps(value) && keeps(exact(value)));
    const y = await map(f, x, device);
    expect(worstUlp(y, x.map(exact))).toBeLessThan(bound);
    // Exact where the result is zero, infinite or no number.
    const special = [...x.keys()].filter((i) => !Number.isFinite(1 / Math.fround(exact(x[i]!))) || !Number.isFinite(Math.fround(exact(x[i]!))));
    expect(special.map((i) => y[i])).toEqual(special.map((i) => Math.fround(exact(x[i]!))));
  });
});

test("wasm has the same bits on one and two threads, with narrow and wide vectors", async () => {
  const x = [...logarithmic(1e-30, 3e38, 100_003)];
  const all = (y: Value): Value => concat([sin(y), cos(y), exp(y), log(y), tanh(y), sqrt(y)].map((value) => reshape(value, [1, x.length])));
  const narrow = await createDevice({ backend: "wasm", threads: 1, vectorBits: 128 });
  const wide = await createDevice({ backend: "wasm", threads: 1, vectorBits: 256 });
  const bits = await Promise.all([narrow, wide, tested[1]![1]].map((device) => map(all, x, device)));
  expect(bits[1]).toEqual(bits[0]);
  expect(bits[2]).toEqual(bits[0]);
  for (const device of [narrow, wide]) device.close();
});
