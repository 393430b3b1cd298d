/** @file Plans: plain data that people can read, and what may differ between machines. */
import { expect, test } from "vitest";
import { planKernel } from "../../src/codegen/plan/index.ts";
import { wasmMachine } from "../../src/codegen/plan/machine.ts";
import { printPlan } from "../../src/codegen/plan/print.ts";
import { X64 } from "../../src/codegen/x64/registers.ts";
import { convKernel, filterGradKernel, PROOF_KERNELS } from "../../src/runtime/wasm/native-proof.ts";

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
    const [ours, theirs] = [X64, wasmMachine(true)].map((machine) => printPlan(planKernel(kernel, machine)));
    expect(ours).not.toBe(theirs);
    expect(sums(ours!)).toEqual(sums(theirs!));
  }
});

test("plans are plain data: a copy prints the same", () => {
  for (const kernel of PROOF_KERNELS) {
    const plan = planKernel(kernel, X64);
    expect(printPlan(structuredClone(plan))).toBe(printPlan(plan));
  }
});
