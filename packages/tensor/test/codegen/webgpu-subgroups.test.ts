/** @file Reductions through subgroups: the same bits as through shared memory, and valid WGSL for every size of subgroup. */
import { expect, test } from "vitest";
import { generateLoop } from "../../src/codegen/webgpu/loop.ts";
import type { Combine, LoopKernel } from "../../src/ir/kernel.ts";
import { compileError, nullGpu, runShader, testGpu } from "../support/gpu.ts";
import { pseudoRandom } from "../support/pseudo-random.ts";

const PLACES = [0, 1].map((binding) => ({ binding, word: 0 }));

/** The sum, say, of each of `results` rows. */
const rows = (results: number, elements: number, combine: Combine): LoopKernel => ({
  kind: "loop",
  extents: [results, elements],
  reduced: 1,
  combine,
  outputs: [
    {
      buffer: 1,
      dtype: "float32",
      at: { offset: 0, strides: [1, 0] },
      value: { kind: "load", dtype: "float32", buffer: 0, at: { offset: 0, strides: [elements, 1] } },
    },
  ],
});

/** Shares of a result: fewer than a subgroup of 32, as many, and a whole workgroup. */
const ELEMENTS = [64, 256, 2500];

test("give the same bits as shared memory", async () => {
  const { gpu } = await testGpu();
  const adapter = await (gpu ?? navigator.gpu).requestAdapter();
  const size = adapter!.info.subgroupMinSize!;
  const device = await adapter!.requestDevice({ requiredFeatures: ["subgroups"] });
  for (const elements of ELEMENTS) {
    const random = pseudoRandom(elements);
    const x = Float32Array.from({ length: 5 * elements }, () => random() - 0.5);
    for (const combine of ["sum", "max"] as const) {
      const kernel = rows(5, elements, combine);
      const [through, shared] = [generateLoop(kernel, PLACES, size), generateLoop(kernel, PLACES)];
      expect(through.wgsl).toContain("subgroupShuffleXor");
      expect(shared.wgsl).not.toContain("subgroup");
      expect(await runShader(device, through, [x], 5)).toEqual(await runShader(device, shared, [x], 5));
    }
  }
  device.destroy();
});

test("compile for subgroups of 4 to 128", async () => {
  const device = await nullGpu(["subgroups"]);
  for (const size of [4, 8, 16, 32, 64, 128]) {
    for (const elements of ELEMENTS) expect(await compileError(device, generateLoop(rows(5, elements, "sum"), PLACES, size).wgsl)).toBeUndefined();
  }
  device.destroy();
});
