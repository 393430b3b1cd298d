/** @file Plans: plain data that people can read, and what may differ between machines. */
import { expect, test } from "vitest";
import { planKernel } from "../../src/codegen/plan/index.ts";
import { wasmMachine } from "../../src/codegen/plan/machine.ts";
import { printPlan } from "../../src/codegen/plan/print.ts";
import { AVX2, AVX512, x64Machine } from "../../src/codegen/x64/registers.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import { constant, type Expr, scalar } from "../../src/ir/scalar.ts";
import { nativePlan as planFor } from "../../src/runtime/wasm/native.ts";
import { convKernel, filterGradKernel, PROOF_KERNELS } from "../../src/runtime/wasm/native-proof.ts";
import { loadOf, loopOf, PROOF_LOOPS } from "../../src/runtime/wasm/proof-loops.ts";

const nativePlan = (kernel: Kernel) => planFor(kernel, "avx2");

test("a plan as text", () => {
  const kernel = convKernel({ batch: 2, height: 4, width: 7, inputs: 3, channels: 20, window: 3, block: 8 });
  expect(printPlan(planKernel(kernel, wasmMachine(false)))).toMatchInlineSnapshot(`
    "1 task
    conv(task, input, filter, output)
      tileEnd = (tile := (task % 1) * 16) + 16
      repeat
        blockEnd = (block := (task / 1) * 3) + 3
        repeat
          from = input + 0
          weights = (block * 864) + filter
          to = ((block * 32) + output) + 0
          rest = tile
          start = (rest % 2) * 4
          start = min(start, 3)
          from = from + (start * 12)
          to = to + (start * 80)
          rest = rest / 2
          start = (rest % 4) * 1
          from = from + (start * 108)
          to = to + (start * 560)
          rest = rest / 4
          start = rest * 1
          from = from + (start * 648)
          to = to + (start * 2240)
          if block == 2
            accumulate 4 rows x 1 vectors of from x weights over 3 by 108, 288; 9 by 4, 32
            store at to
          else
            accumulate 4 rows x 2 vectors of from x weights over 3 by 108, 288; 9 by 4, 32
            store at to
        while (block := block + 1) < blockEnd
      while (tile := tile + 1) < tileEnd"
  `);
});

test("machines differ in register tiles, not in what is summed in which order", () => {
  const sums = (text: string): string[] => [...new Set(text.match(/over .*/g))];
  for (const kernel of [
    filterGradKernel({ batch: 4, height: 8, width: 8, inputs: 16, channels: 32, window: 3 }),
    convKernel({ batch: 1, height: 8, width: 18, inputs: 16, channels: 32, window: 3 }),
  ]) {
    const texts = [x64Machine(AVX512), x64Machine(AVX2), wasmMachine(true)].map((machine) => printPlan(planKernel(kernel, machine)));
    expect(new Set(texts).size).toBe(3);
    expect(new Set(texts.map((text) => sums(text).join())).size).toBe(1);
  }
});

test("plans are plain data: a copy prints the same", () => {
  for (const kernel of [...PROOF_KERNELS, ...PROOF_LOOPS]) {
    const plan = nativePlan(kernel)!;
    expect(printPlan(structuredClone(plan))).toBe(printPlan(plan));
  }
});

test("random words have a plan for machine code in whole blocks of counters under one key", () => {
  const plans = [{ count: 320 }, { count: 8192 + 32 }, { count: 100 }, { keys: 2, count: 320 }].map((words) => nativePlan({ kind: "random", ...words }));
  expect(plans.map((plan) => plan?.tasks)).toEqual([1, 2, undefined, undefined]);
});

test("equal values of a run are one, whatever object they are", () => {
  const twice = (): Expr => scalar("div", "float32", loadOf(0, [40, 1]), loadOf(1, [0, 0]));
  const plan = printPlan(nativePlan(loopOf([8, 40], 1, 2, [scalar("mul", "float32", twice(), twice()), twice()]))!);
  expect(plan.match(/div\(/g)).toHaveLength(1);
});

const x = loadOf(0, [40, 8, 1], -16);
const relu = scalar("select", "float32", scalar("lt", "bool", constant("float32", 0), x), x, constant("float32", 0));
const guards = [
  { offset: -1, strides: [0, 1, 0], extent: 5 },
  { offset: -2, strides: [0, 0, 1], extent: 8 },
];

test("a loop as a plan: pointers that move, runs of elements, what a guard keeps out", () => {
  const kernel = loopOf([3, 7, 12], 0, 2, [{ kind: "guard", dtype: "float32", guards, inside: scalar("mul", "float32", relu, loadOf(1, [1, 0, 0])), fill: 0 }]);
  expect(printPlan(nativePlan(kernel)!)).toMatchInlineSnapshot(`
    "1 task
    map(task, table)
      at0 = word at (table + 8)
      at1 = word at (table + 0)
      at2 = word at (table + 4)
      i = 0
      repeat
        j = 0
        repeat
          if (-1 + (j * 1)) < 5
            2 elements
              at0[0 ..] = 0x0
            8 elements
              %0 = greater(at1[-56 ..], 0x0)
              %1 = mul(%0, at2[0])
              at0[8 ..] = %1
            2 elements
              at0[40 ..] = 0x0
          else
            12 elements
              at0[0 ..] = 0x0
          at0 = at0 + 48
          at1 = at1 + 32
        while (j := j + 1) < 7
        at1 = at1 + -64
        at2 = at2 + 4
      while (i := i + 1) < 3"
  `);
});

test("a sum as a plan: turns around a run", () => {
  expect(printPlan(nativePlan(loopOf([4, 16, 50], 1, 1, [loadOf(0, [800, 1, 16])]))!)).toMatchInlineSnapshot(`
    "1 task
    columns(task, table)
      at0 = word at (table + 4)
      at1 = word at (table + 0)
      i = 0
      repeat
        16 elements; 50 turns by at1 + 64
          at0[0 ..] = add of at1[0 ..]
        at0 = at0 + 64
        at1 = at1 + 3200
      while (i := i + 1) < 4"
  `);
  expect(printPlan(nativePlan(loopOf([40, 2, 64], 2, 1, [loadOf(0, [128, 64, 1])]))!)).toMatchInlineSnapshot(`
    "1 task
    rows(task, table)
      at0 = word at (table + 4)
      at1 = word at (table + 0)
      i = 0
      repeat
        64 elements combined; 2 turns by at1 + 256
          at0[0] = add of at1[0 ..]
          at0[4] = add of at1[512 ..]
          at0[8] = add of at1[1024 ..]
          at0[12] = add of at1[1536 ..]
        at0 = at0 + 16
        at1 = at1 + 2048
      while (i := i + 1) < 10"
  `);
});

test("sums along rows are taken of four rows at once, or as many as divide them", () => {
  const stored = (rows: number): number | undefined => {
    const plan = printPlan(nativePlan(loopOf([rows, 100], 1, 1, [loadOf(0, [100, 1])]))!);
    return plan.match(/= add of/g)?.length;
  };
  expect([8, 6, 10, 7].map(stored)).toEqual([4, 3, 2, 1]);
});

test("choices that are one operation as such: the lesser or greater, a clip to constants, something or zero", () => {
  const f = (value: number): Expr => constant("float32", value);
  const y = loadOf(1, [1]);
  const chosen = (left: Expr, right: Expr, then: Expr, otherwise: Expr): Expr =>
    scalar("select", "float32", scalar("lt", "bool", left, right), then, otherwise);
  const at = loadOf(0, [1]);
  const clip = (low: Expr, high: Expr): Expr => chosen(at, low, low, chosen(high, at, high, at));
  const operations = (value: Expr): string[] =>
    printPlan(nativePlan(loopOf([8], 0, 2, [value]))!)
      .split("\n")
      .filter((line) => /^ *%/.test(line))
      .map((line) => line.trim());
  const list = [
    chosen(at, y, at, y),
    chosen(at, y, y, at),
    chosen(at, y, at, f(0)),
    chosen(at, y, f(0), at),
    // Minus zero has a bit.
    chosen(at, y, at, f(-0)),
    clip(f(0), f(1)),
    clip(f(1), f(0)),
    clip(y, f(1)),
    clip(f(Number.NaN), f(1)),
  ];
  expect(list.map((value) => operations(value).join("; "))).toMatchInlineSnapshot(`
    [
      "%0 = lesser(at1[0 ..], at2[0 ..])",
      "%0 = greater(at2[0 ..], at1[0 ..])",
      "%0 = lt(at1[0 ..], at2[0 ..]); %1 = and(%0, at1[0 ..])",
      "%0 = lt(at1[0 ..], at2[0 ..]); %1 = andNot(%0, at1[0 ..])",
      "%0 = lt(at1[0 ..], at2[0 ..]); %1 = select(%0, at1[0 ..], 0x80000000)",
      "%0 = lesser(0x3f800000, at1[0 ..]); %1 = greater(0x0, %0)",
      "%0 = lt(at1[0 ..], 0x3f800000); %1 = lesser(0x0, at1[0 ..]); %2 = select(%0, 0x3f800000, %1)",
      "%0 = lt(at1[0 ..], at2[0 ..]); %1 = lesser(0x3f800000, at1[0 ..]); %2 = select(%0, at2[0 ..], %1)",
      "%0 = lt(at1[0 ..], 0x7fc00000); %1 = lesser(0x3f800000, at1[0 ..]); %2 = select(%0, 0x7fc00000, %1)",
    ]
  `);
});

test("loops that have no such plan: gathers along a run, guards inside, reading across, narrow results, sums in blocks", () => {
  const inside: Expr = { kind: "guard", dtype: "float32", guards, inside: x, fill: 0 };
  const index: Expr = { kind: "index", dtype: "int32", at: { offset: 0, strides: [0, 0, 1] } };
  for (const value of [
    scalar("add", "float32", inside, x),
    loadOf(0, [1, 3, 21]),
    scalar("lt", "bool", x, constant("float32", 1)),
    scalar("max", "float32", x, loadOf(1, [40, 8, 1])),
    index,
    { kind: "gather", dtype: "float32", buffer: 0, at: { offset: 0, strides: [0, 0, 1] }, terms: [{ index, stride: 4, extent: 3 }] } as const,
  ]) {
    expect(nativePlan(loopOf([3, 7, 8], 0, 2, [value]))).toBeNull();
  }
  expect(nativePlan(loopOf([3, 100_000], 1, 1, [loadOf(0, [100_000, 1])]))).toBeNull();
  expect(nativePlan(loopOf([3, 100], 1, 1, [loadOf(0, [100, 1])], "max"))).toBeNull();
});
