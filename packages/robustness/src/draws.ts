/** @file Random numbers on the host, of an image's or a batch's augmentation: a function of a key and of how many were drawn before. */
import { type Key, philox } from "@gradalign/tensor";

/** Draws one number after the other. */
export interface Draws {
  /** A number from `low` up to below `high`, of 53 random bits. */
  uniform(low: number, high: number): number;
  /** An integer from 0 to below `count`, which is at most 2^32. */
  integer(count: number): number;
}

const DOMAIN = 0x696d6167; // "imag"

/** The numbers of a key. */
export function drawsOf(key: Key): Draws {
  let drawn = 0;
  const unit = (): number => {
    const [high, low] = philox([drawn++, 0, 0, DOMAIN], key);
    return ((high >>> 0) * 2 ** 21 + (low >>> 11)) / 2 ** 53;
  };
  return {
    uniform: (low, high) => low + (high - low) * unit(),
    integer: (count) => Math.floor(unit() * count),
  };
}
