/** @file Where a run's randomness comes from: every draw is a function of (seed, purpose, index), so a resumed run repeats it. */
import { type Key, keyOfSeed, philox } from "@gradalign/tensor";

const PURPOSES = { model: 1, order: 2, augment: 3, attack: 4, evaluation: 5, alignment: 6, transform: 7, mixing: 8 } as const;
const DOMAIN = 0x67726164; // "grad"

/** The key for a purpose's `index`-th use, for instance an iteration; `part` tells splits or restarts apart. */
export function keyFor(seed: number, purpose: keyof typeof PURPOSES, index = 0, part = 0): Key {
  const [a, b] = philox([index, PURPOSES[purpose], part, DOMAIN], keyOfSeed(seed));
  return [a, b];
}
