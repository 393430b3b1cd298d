/** @file Sums of products of neighbouring elements for x86-64: a register has the four sums of two or four gradients, side by side. */
import type { Dots, Variable } from "../plan/language.ts";
import { type Assembler, IF } from "./assembler.ts";
import { at, RAX, RCX, RDI, RDX, RSI } from "./encoding.ts";
import type { VectorSet } from "./registers.ts";

export function emitDots(code: Assembler, set: VectorSet, dots: Dots, pointer: (register: number, variable: Variable) => void): void {
  const { window, gradient, sums, windows, gradients, rows, vectorsPerRow, gap, place } = dots;
  const { lanes } = set;
  const perRegister = lanes / 4;
  const groups = Math.ceil(gradients.length / perRegister);
  const sumOf = (i: number, group: number): number => set.registers - 1 - (i * groups + group);
  // What is left of the registers below the sums and above the gradients.
  const spare = set.registers - windows.length * groups - groups;
  const factor = (i: number): number => groups + (i % spare);
  pointer(RSI, window);
  pointer(RDI, gradient);
  pointer(RDX, sums);
  windows.forEach((_, i) => {
    for (let group = 0; group < groups; group++) code.vector("xor", lanes, sumOf(i, group), sumOf(i, group), sumOf(i, group));
  });
  code.constant(RCX, rows);
  const row = code.here();
  code.constant(RAX, vectorsPerRow).align(32);
  const start = code.here();
  gradients.forEach((offset, k) => {
    const [register, which] = [Math.floor(k / perRegister), k % perRegister];
    if (which === 0) code.vectorLoad(4, register, at(RDI, offset));
    else code.insertFour(lanes, register, at(RDI, offset), which);
  });
  windows.forEach((offset, i) => {
    code.broadcastFour(lanes, factor(i), at(RSI, offset));
    for (let group = 0; group < groups; group++) code.vector("fma", lanes, sumOf(i, group), factor(i), group);
  });
  code.intConstant("add", RSI, 16, true).intConstant("add", RDI, 16, true);
  code.intConstant("sub", RAX, 1).jumpIf(IF.notZero, start);
  code.intConstant("add", RSI, gap, true).intConstant("sub", RCX, 1).jumpIf(IF.notZero, row);
  // From here on the gradients' registers are free.
  const [four, total, lane] = [0, 1, 2] as const;
  windows.forEach((_, i) => {
    gradients.forEach((__, k) => {
      const sum = sumOf(i, Math.floor(k / perRegister));
      const which = k % perRegister;
      if (which > 0) code.extractFour(lanes, four, sum, which);
      const from = which > 0 ? four : sum;
      // ((0 + 1) + 2) + 3 in lane 0.
      code.shuffle(lane, from, 1).vector("add", 4, total, from, lane);
      for (const next of [2, 3]) code.shuffle(lane, from, next).vector("add", 4, total, total, lane);
      code.loadFirst(lane, at(RDX, place[i]![k]!)).vector("add", 4, total, lane, total);
      code.storeLane(at(RDX, place[i]![k]!), total, 0);
    });
  });
}

/** Writes zeros from the address in a register on. */
export function emitClear(code: Assembler, base: number, words: number): void {
  code.vector("xor", 8, 0, 0, 0);
  const vectors = Math.floor(words / 8);
  for (let i = 0; i < vectors; i++) code.vectorStore(8, at(base, 32 * i), 0);
  for (let i = 8 * vectors; i < words; i++) code.storeLane(at(base, 4 * i), 0, 0);
}
