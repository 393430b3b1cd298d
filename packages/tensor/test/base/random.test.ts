/** @file Random numbers: Philox against published vectors, streams equal on every device, moments of the distributions. */
import {
  convert,
  type Device,
  evaluate,
  floor,
  foldIn,
  jit,
  keyOfSeed,
  mul,
  normal,
  permutation,
  philox,
  randomBits,
  randomKey,
  split,
  sub,
  type Tensor,
  tensor,
  uniform,
  type Value,
} from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { philoxStream } from "../../src/base/random.ts";
import * as build from "../../src/ops/build.ts";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();
const devices: [string, Device][] = [["reference", reference], ...tested];

const hex = (words: Iterable<number>): string => [...words].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join(" ");

/** kat_vectors of Random123 1.14 for philox4x32-10: counter, key, result. */
const VECTORS = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: "6627e8d5 e169c58d bc57ac4c 9b00dbd8" },
  { counter: [-1, -1, -1, -1], key: [-1, -1], words: "408f276d 41c83b0e a20bc7c6 6d5451fd" },
  { counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], key: [0xa4093822, 0x299f31d0], words: "d16cfe09 94fdcceb 5001e420 24126ea1" },
] as const;

test.each(VECTORS)("philox of $key gives $words", ({ counter, key, words }) => {
  expect(hex(philox(counter, key))).toBe(words);
});

describe.each(devices)("%s", (_, device) => {
  const numbers = async (value: Value): Promise<number[]> => [...(await evaluate(value, device).read())];

  test("the zero vector through the op", async () => {
    expect(hex(await numbers(randomBits(tensor([0, 0], [2], "int32"), [4])))).toBe(VECTORS[0].words);
  });

  test("the op's words are the host's, for every stream and any length", async () => {
    for (const [key, stream, count] of [
      [[7, -3], 0, 1],
      [[-1, -1], -1, 6],
      [[3, 4], 1, 15],
      [[3, 4], 1, 16],
      [[3, 4], 1, 17],
      [[0xa4093822 | 0, 0x299f31d0], 0x85a308d3 | 0, 8199],
      [[1, 2], 5, 20_003],
    ] as const) {
      const bits = build.randomBits(tensor([...key], [2], "int32"), tensor(stream, [], "int32"), [count]);
      expect(await numbers(bits)).toEqual([...philoxStream(key, stream, count)]);
    }
  });

  test("rows with keys of their own have the words their keys give alone", async () => {
    const keys = [7, -3, 0x243f6a88, 5, 0, 0];
    const one = (row: number): Tensor => tensor(keys.slice(2 * row, 2 * row + 2), [2], "int32");
    const all = tensor(keys, [3, 2], "int32");
    const draws: ((key: Value, rows: number[]) => Value)[] = [
      (key, rows) => randomBits(key, [...rows, 15]),
      (key, rows) => randomBits(foldIn(key, 9), [...rows, 4, 2081]),
      (key, rows) => uniform(key, [...rows, 3, 5], -2, 3),
      (key, rows) => normal(foldIn(key, 1), [...rows, 33]),
    ];
    for (const draw of draws) {
      const alone = await Promise.all([0, 1, 2].map((row) => numbers(draw(one(row), []))));
      expect(await numbers(draw(all, [3]))).toEqual(alone.flat());
    }
    expect(() => randomBits(all, [2, 4])).toThrow("randomBits: 3 keys draw as many rows, got shape [2, 4]");
  });

  test("uniform fills [low, high) evenly", async () => {
    const count = 40_000;
    for (const [low, high] of [
      [0, 1],
      [-0.25, 0.25],
      [10, 11],
    ] as const) {
      const x = await numbers(uniform(randomKey(11), [count], low, high));
      const width = high - low;
      expect(Math.min(...x)).toBeGreaterThanOrEqual(low);
      expect(Math.max(...x)).toBeLessThan(high);
      const { mean, variance } = moments(x);
      // Five standard errors.
      expect(Math.abs(mean - (low + high) / 2)).toBeLessThan((5 * width) / Math.sqrt(12 * count));
      expect(Math.abs(variance / (width ** 2 / 12) - 1)).toBeLessThan(5 * Math.sqrt(0.8 / count));
      expect(chiSquare(x.map((value) => Math.floor((16 * (value - low)) / width)))).toBeLessThan(45);
    }
  });

  test("normal has the moments of the standard normal distribution", async () => {
    const count = 40_001;
    const x = await numbers(normal(randomKey(3), [count]));
    const { mean, variance, skewness, kurtosis } = moments(x);
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    expect(Math.abs(skewness)).toBeLessThan(5 * Math.sqrt(6 / count));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(5 * Math.sqrt(24 / count));
    expect(x.every(Number.isFinite)).toBe(true);
    expect(new Set(x).size).toBeGreaterThan(0.99 * count);
  });

  test("normal of small shapes", async () => {
    expect(normal(randomKey(3), []).shape).toEqual([]);
    expect((await numbers(normal(randomKey(3), [3]))).length).toBe(3);
  });

  test("foldIn and split give distinct streams", async () => {
    const key = randomKey(5);
    const keys = [key, ...[0, 1, 2, 1000].map((n) => foldIn(key, n)), foldIn(foldIn(key, 0), 1), ...split(key, 3), foldIn(randomKey(6), 0)];
    const first = await Promise.all(keys.map((k) => numbers(randomBits(k, [64]))));
    expect(new Set(first.map((words) => words.join())).size).toBe(keys.length);
    const all = first.flat();
    // No word in common: 576 draws of 2^32 collide with probability 4e-5, and the key is fixed.
    expect(new Set(all).size).toBe(all.length);
    expect(first[1]).toEqual(await numbers(randomBits(foldIn(randomKey(5), tensor(0, [], "int32")), [64])));
  });
});

test("uniform never returns its upper end, though rounding would", async () => {
  const key = topWord();
  const x = jit((k: Value) => [uniform(k, [key.index + 1], 10, 11), uniform(k, [key.index + 1], -1, 0)], { device: tested[0]![1] })(
    tensor([...key.words], [2], "int32"),
  );
  const [high, negative] = x.map((result) => result.data()[key.index]!);
  expect(high).toBe(11 - 2 ** -20);
  expect(negative).toBeLessThan(0);
});

describe.each(devices)("uniform between bounds: %s", (_, device) => {
  const draws = async (low: number, high: number, key: Value = randomKey(9), count = 4096): Promise<[numbers: Float32Array, tensors: Float32Array]> => {
    const asTensors = jit((k: Value, from: Value, to: Value) => uniform(k, [count], from, to), { device })(key, tensor(low), tensor(high));
    return [(await evaluate(uniform(key, [count], low, high), device).read()) as Float32Array, (await asTensors.read()) as Float32Array];
  };

  // The reference backend rounds only what is read from it.
  if (device !== reference)
    test("never the upper one, where rounding would reach it; tensors and numbers give the same draws", async () => {
      const { words, index } = topWord();
      const [numbers, tensors] = await draws(10, 11, tensor([...words], [2], "int32"), index + 1);
      expect(tensors[index]).toBe(10);
      expect(numbers[index]).toBe(11 - 2 ** -20);
      expect(Math.max(...tensors, ...numbers)).toBeLessThan(11);
      const apart = numbers.map((x, i) => Math.abs(x - tensors[i]!));
      expect(Math.max(...apart.subarray(0, index))).toBe(0);
    });

  test("spread over ranges wider than the largest float32", async () => {
    for (const [low, high] of [
      [-3e38, 3e38],
      [-3.4e38, 1e38],
    ] as const) {
      for (const x of await draws(low, high)) {
        const places = [...x].map((value) => (value - low) / (high - low));
        expect(Math.min(...x)).toBeGreaterThanOrEqual(Math.fround(low));
        expect(Math.max(...x)).toBeLessThan(high);
        expect(chiSquare(places.map((place) => Math.floor(16 * place)))).toBeLessThan(45);
      }
    }
  });

  test("equal bounds give that number", async () => {
    for (const bound of [0, -0.25, 3e38])
      for (const x of await draws(bound, bound, randomKey(9), 3)) expect([...x]).toEqual(new Array(3).fill(Math.fround(bound)));
  });
});

test("uniform refuses numbers between which there is nothing", () => {
  for (const [low, high] of [
    [1, 0],
    [Number.NaN, 1],
    [0, Number.NaN],
    [0, Infinity],
    [-Infinity, 0],
  ] as const) {
    expect(() => uniform(randomKey(1), [2], low, high)).toThrow(`uniform: bounds must be finite and in order, got ${low} and ${high}`);
  }
});

describe.each(tested.filter(([name]) => name.startsWith("wasm")))("draws stay the same bits from version to version: %s", (_, device) => {
  /** FNV's hash of the bits of 4096 draws with seed 7, by the version that README's figures were measured with. */
  test.each([
    ["perturbations of radius 1", -1, 1, 1988203604],
    ["perturbations of radius 8/255", -8 / 255, 8 / 255, 268458824],
    ["radii of the l2 ball", 2 ** -24, 1, 2226548337],
    ["shifts and flips", 0, 1, 950396690],
  ])("%s", (__, low, high, hash) => {
    const { buffer } = evaluate(uniform(randomKey(7), [4096], low, high), device).data();
    expect(new Int32Array(buffer).reduce((h, word) => Math.imul(h ^ word, 16777619) >>> 0, 0)).toBe(hash);
  });

  test("initial weights, also where the cosine of a draw's angle is smallest", () => {
    const { buffer } = evaluate(normal(randomKey(7), [4096]), device).data();
    expect(new Int32Array(buffer).reduce((h, word) => Math.imul(h ^ word, 16777619) >>> 0, 0)).toBe(1864331185);
    const angles = tensor([4.712388038635254, 4.71238899230957, 4.7123894691467285]);
    expect([...evaluate(build.cos(angles, true), device).data()]).toEqual([-9.417494766239543e-7, 1.1924868204005179e-8, 4.887619979854207e-7]);
  });

  test("shifts of a crop", () => {
    const shifts = sub(convert(floor(mul(uniform(foldIn(randomKey(7), 1), [16]), 9)), "int32"), 4);
    expect([...evaluate(shifts, device).data()]).toEqual([2, -2, -2, 1, -2, 1, -1, -3, -2, -2, 1, 4, 2, 1, 2, -4]);
  });
});

/** A key and a position whose word rounds up to the end of [10, 11): its upper 21 bits are ones. */
function topWord(): { words: [number, number]; index: number } {
  for (let seed = 0; ; seed++) {
    const index = philoxStream([seed, 0], 0, 4096).findIndex((word) => word >>> 11 === 0x1fffff);
    if (index >= 0) return { words: [seed, 0], index };
  }
}

describe("permutation", () => {
  test("is a permutation that depends on the key", async () => {
    for (const count of [0, 1, 2, 7, 1000]) {
      const order = permutation(42, count);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(permutation(42, count)).toEqual(order);
    }
    expect(permutation(1, 1000)).not.toEqual(permutation(2, 1000));
    expect(permutation([1, 0], 1000)).not.toEqual(permutation([1, 1], 1000));
    expect(permutation(2 ** 40 + 1, 100)).not.toEqual(permutation(1, 100));
  });

  test("is roughly uniform: each of the 24 orders of four is as likely", async () => {
    const orders = new Map<string, number>();
    for (let seed = 0; seed < 4800; seed++) {
      const order = permutation(seed, 4).join();
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    const statistic = [...orders.values()].reduce((sum, n) => sum + (n - 200) ** 2 / 200, 0);
    // 23 degrees of freedom: above 58 with probability 1e-4.
    expect(statistic).toBeLessThan(58);
  });
});

test("seeds use all 53 bits; others are refused", async () => {
  expect(keyOfSeed(2 ** 40 + 3)).toEqual([3, 256]);
  for (const seed of [-1, 0.5, 2 ** 53, NaN]) expect(() => randomKey(seed)).toThrow(/seed must be an integer in \[0, 2\^53\)/);
});

function moments(x: readonly number[]): { mean: number; variance: number; skewness: number; kurtosis: number } {
  const average = (f: (value: number) => number): number => x.reduce((sum, value) => sum + f(value), 0) / x.length;
  const mean = average((value) => value);
  const variance = average((value) => (value - mean) ** 2);
  return {
    mean,
    variance,
    skewness: average((value) => (value - mean) ** 3) / variance ** 1.5,
    kurtosis: average((value) => (value - mean) ** 4) / variance ** 2,
  };
}

/** χ² of 16 equally likely classes; above 45 with probability 1e-4. */
function chiSquare(classes: readonly number[]): number {
  const counts = new Array<number>(16).fill(0);
  for (const c of classes) counts[c]!++;
  const expected = classes.length / 16;
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
}
