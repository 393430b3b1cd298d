/** @file Philox-4x32-10 (Salmon et al. 2011) for x86-64, eight counters at a time. A vector has one word of four or eight counters in its 64-bit lanes,
 * whose upper halves are of no account: products of 64 bits then need no sorting. */
import { PHILOX_M0, PHILOX_M1, PHILOX_W0, PHILOX_W1 } from "../../base/random.ts";
import type { Philox, Variable } from "../plan/language.ts";
import { type Assembler, IF } from "./assembler.ts";
import { at, type Constant, RAX, RCX, RDI, RDX, RSI } from "./encoding.ts";
import type { VectorSet } from "./registers.ts";

const ROUNDS = 10;
/** Counters of the vectors of a word: in this order unpacked halves lie as they are stored. */
const COUNTERS: Readonly<Record<VectorSet["lanes"], readonly Constant[]>> = {
  8: [{ bits: [0, 0, 2, 0, 1, 0, 3, 0] }, { bits: [4, 0, 6, 0, 5, 0, 7, 0] }],
  16: [{ bits: [0, 0, 4, 0, 1, 0, 5, 0, 2, 0, 6, 0, 3, 0, 7, 0] }],
};
/** The lower halves of 64-bit lanes. */
const LOWER: Constant = { bits: Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? -1 : 0)) };
const [KEY_0, KEY_1, COUNTER] = [12, 13, 14] as const;

export function emitPhilox(
  code: Assembler,
  { lanes }: VectorSet,
  { key, stream, target, counter, blocks }: Philox,
  pointer: (register: number, variable: Variable) => void,
  load: (register: number, variable: Variable) => void,
): void {
  pointer(RSI, key);
  pointer(RDX, stream);
  pointer(RDI, target);
  load(RAX, counter);
  load(RCX, blocks);
  code.broadcastInteger(lanes, COUNTER, RAX).align(32);
  const start = code.here();
  code.broadcast(lanes, KEY_0, at(RSI)).broadcast(lanes, KEY_1, at(RSI, 4));
  /** Registers of the four words, and two that are free. */
  const groups = COUNTERS[lanes].map((counters, i): number[] => {
    const words = Array.from({ length: 6 }, (_, j) => 6 * i + j) as [number, number, number, number, number, number];
    code.vector("addInt", lanes, words[0], COUNTER, counters).broadcast(lanes, words[1], at(RDX));
    for (const word of [words[2], words[3]]) code.vector("xor", lanes, word, word, word);
    return words;
  });
  for (let round = 0; round < ROUNDS; round++) {
    groups.forEach((words, i) => {
      const [c0, c1, c2, c3, low, other] = words as [number, number, number, number, number, number];
      code.vector("mulLong", lanes, low, c0, { bits: PHILOX_M0 | 0 }).vector("mulLong", lanes, other, c2, { bits: PHILOX_M1 | 0 });
      code.shiftLong("right", lanes, c0, other, 32).vector("xor", lanes, c0, c0, c1).vector("xor", lanes, c0, c0, KEY_0);
      code.shiftLong("right", lanes, c2, low, 32).vector("xor", lanes, c2, c2, c3).vector("xor", lanes, c2, c2, KEY_1);
      groups[i] = [c0, other, c2, low, c1, c3];
    });
    if (round === ROUNDS - 1) break;
    code.vector("addInt", lanes, KEY_0, KEY_0, { bits: PHILOX_W0 | 0 }).vector("addInt", lanes, KEY_1, KEY_1, { bits: PHILOX_W1 | 0 });
  }
  groups.forEach((words, i) => {
    const [c0, c1, c2, c3] = words as [number, number, number, number];
    for (const [even, odd] of [
      [c0, c1],
      [c2, c3],
    ] as const) {
      code.shiftLong("left", lanes, odd, odd, 32);
      if (lanes === 8) code.blendOdd(even, even, odd);
      else code.vector("and", lanes, even, even, LOWER).vector("or", lanes, even, even, odd);
    }
    code.vector("unpackLow", lanes, c1, c0, c2).vector("unpackHigh", lanes, c3, c0, c2);
    code.vectorStore(lanes, at(RDI, 8 * lanes * i), c1).vectorStore(lanes, at(RDI, 8 * lanes * i + 4 * lanes), c3);
  });
  code.vector("addInt", lanes, COUNTER, COUNTER, { bits: 8 }).intConstant("add", RDI, 128, true);
  code.intConstant("sub", RCX, 1).jumpIf(IF.notZero, start);
}
