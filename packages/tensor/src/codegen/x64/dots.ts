/** @file Sums of products of neighbouring elements for x86-64: a register has the four sums of two gradients, side by side. */
import type { Dots, Variable } from "../plan/language.ts";
import { type Assembler, at, IF, RAX, RCX, RDI, RDX, RSI } from "./assembler.ts";

/** Vector registers. */
const REGISTERS = 16;

export function emitDots(code: Assembler, dots: Dots, pointer: (register: number, variable: Variable) => void): void {
  const { window, gradient, sums, windows, gradients, rows, vectorsPerRow, gap, place } = dots;
  const pairs = Math.ceil(gradients.length / 2);
  const sumOf = (i: number, pair: number): number => REGISTERS - 1 - (i * pairs + pair);
  // What is left of the registers below the sums and above the gradients.
  const spare = REGISTERS - windows.length * pairs - pairs;
  const factor = (i: number): number => pairs + (i % spare);
  pointer(RSI, window);
  pointer(RDI, gradient);
  pointer(RDX, sums);
  windows.forEach((_, i) => {
    for (let pair = 0; pair < pairs; pair++) code.vector("xor", true, sumOf(i, pair), sumOf(i, pair), sumOf(i, pair));
  });
  code.constant(RCX, rows);
  const row = code.here();
  code.constant(RAX, vectorsPerRow).align(32);
  const start = code.here();
  for (let pair = 0; pair < pairs; pair++) {
    const [first, second] = [gradients[2 * pair]!, gradients[2 * pair + 1]];
    code.vectorLoad(false, pair, at(RDI, first));
    if (second !== undefined) code.loadUpper(pair, at(RDI, second));
  }
  windows.forEach((offset, i) => {
    code.broadcastFour(factor(i), at(RSI, offset));
    for (let pair = 0; pair < pairs; pair++) code.vector("fma", true, sumOf(i, pair), factor(i), pair);
  });
  code.intConstant("add", RSI, 16, true).intConstant("add", RDI, 16, true);
  code.intConstant("sub", RAX, 1).jumpIf(IF.notZero, start);
  code.intConstant("add", RSI, gap, true).intConstant("sub", RCX, 1).jumpIf(IF.notZero, row);
  // From here on the gradients' registers are free.
  const [four, total, lane] = [0, pairs, pairs + 1] as const;
  windows.forEach((_, i) => {
    gradients.forEach((__, k) => {
      const sum = sumOf(i, k >> 1);
      if (k % 2 === 1) code.upperHalf(four, sum);
      const from = k % 2 === 1 ? four : sum;
      // ((0 + 1) + 2) + 3 in lane 0.
      code.shuffle(lane, from, 1).vector("add", false, total, from, lane);
      for (const next of [2, 3]) code.shuffle(lane, from, next).vector("add", false, total, total, lane);
      code.loadFirst(lane, at(RDX, place[i]![k]!)).vector("add", false, total, lane, total);
      code.storeLane(at(RDX, place[i]![k]!), total, 0);
    });
  });
}

/** Writes zeros from the address in a register on. */
export function emitClear(code: Assembler, base: number, words: number): void {
  code.vector("xor", true, 0, 0, 0);
  const vectors = Math.floor(words / 8);
  for (let i = 0; i < vectors; i++) code.vectorStore(true, at(base, 32 * i), 0);
  for (let i = 8 * vectors; i < words; i++) code.storeLane(at(base, 4 * i), 0, 0);
}
