/** @file Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random numbers as a pure
 * function of a key and a counter, so that the same stream comes out of every backend and any number of threads. */
import { ConfigError } from "./errors.ts";
import { checkInteger } from "./numbers.ts";

/** Two 32-bit words; as a tensor, int32 of shape [2]. */
export type Key = readonly [number, number];

export const PHILOX_M0 = 0xd2511f53;
export const PHILOX_M1 = 0xcd9e8d57;
export const PHILOX_W0 = 0x9e3779b9;
export const PHILOX_W1 = 0xbb67ae85;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const middle2 = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middle2 / 0x10000)) >>> 0;
}

/** Four 32-bit words (signed) for one counter under one key. */
export function philox(counter: readonly [number, number, number, number], key: Key): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter.map((word) => word >>> 0) as [number, number, number, number];
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(PHILOX_M0, c0);
    const low0 = Math.imul(PHILOX_M0, c0) >>> 0;
    const high1 = mulHigh(PHILOX_M1, c2);
    const low1 = Math.imul(PHILOX_M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + PHILOX_W0) >>> 0;
    k1 = (k1 + PHILOX_W1) >>> 0;
  }
  return [c0 | 0, c1 | 0, c2 | 0, c3 | 0];
}

/** Words of the stream `stream` of a key, as the `randomBits` op yields them: word i is word i mod 4 of counter (i div 4, stream, 0, 0). */
export function philoxStream(key: Key, stream: number, count: number): Int32Array {
  const out = new Int32Array(count);
  for (let i = 0; i < count; i += 4) {
    const words = philox([i >>> 2, stream, 0, 0], key);
    for (let j = 0; j < 4 && i + j < count; j++) out[i + j] = words[j]!;
  }
  return out;
}

/** The key words of a seed: any safe non-negative integer. */
export function keyOfSeed(seed: number): Key {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ConfigError(`randomKey: seed must be an integer in [0, 2^53), got ${seed}; use a non-negative whole number`);
  }
  return [seed | 0, Math.floor(seed / 2 ** 32) | 0];
}

/** A uniformly random order of 0..count-1 (Fisher-Yates), for instance an epoch's order of examples. */
export function permutation(key: Key | number, count: number): Int32Array {
  checkInteger("permutation", "the number of elements", count, 0, 2 ** 31);
  const words = philoxStream(typeof key === "number" ? keyOfSeed(key) : key, 0x7065726d, 2 * count);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    // 53 random bits: the bias of a multiply-and-floor is below 2^-37 for any count that fits in memory.
    const fraction = ((words[2 * i]! >>> 0) * 2 ** 21 + (words[2 * i + 1]! >>> 11)) / 2 ** 53;
    const j = Math.floor(fraction * (i + 1));
    const swap = order[i]!;
    order[i] = order[j]!;
    order[j] = swap;
  }
  return order;
}
