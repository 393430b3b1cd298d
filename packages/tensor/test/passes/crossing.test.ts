/** @file Loops that read across the order in which they write: which ones are arranged, and that nothing changes but their speed. */
import { add, createDevice, flip, grad, jit, mul, pad, reshape, slice, sub, sum, type Tensor, tensor, transpose, type Value } from "@gradalign/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import type { LoopKernel } from "../../src/ir/kernel.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";

const reference = await createDevice({ backend: "reference" });
const wasm = await createDevice({ backend: "wasm", threads: 2 });
afterAll(() => wasm.close());

const numbers = (shape: readonly number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, (_, i) => ((i * 7919) % 1009) / 8),
    shape,
  );

function loops(f: (x: Value) => Value, shape: readonly number[]): LoopKernel[] {
  const x = new Node("input", [], {}, shape, "float32");
  return compileGraph([x], [f(x) as Node], [false]).calls.flatMap(({ kernel }) => (kernel.kind === "loop" ? [kernel] : []));
}

/** From [out, in, row, column] to [row, column, in, out] and back: what happens to filters. */
const packed = (x: Value): Value => transpose(x, [2, 3, 1, 0]);
const unpacked = (x: Value): Value => transpose(x, [3, 2, 0, 1]);

describe("is exact", () => {
  test.each<[string, (x: Value) => Value, number[]]>([
    ["a matrix", (x) => transpose(x), [8, 12]],
    ["a matrix with a rest", (x) => transpose(x), [8, 13]],
    ["neither side whole", (x) => transpose(x), [7, 13]],
    ["filters to packed order", packed, [16, 8, 3, 3]],
    ["filters to packed order, odd channels", packed, [16, 6, 3, 3]],
    ["filters from packed order", unpacked, [3, 3, 8, 12]],
    ["turned filters", (x) => packed(flip(x, [2, 3])), [16, 8, 3, 3]],
    ["images, channels last", (x) => transpose(x, [0, 2, 3, 1]), [2, 4, 6, 5]],
    ["images, channels first", (x) => transpose(x, [0, 3, 1, 2]), [2, 6, 5, 8]],
    ["arithmetic on the way", (x) => add(mul(transpose(x), 2), reshape(slice(x, [0, 0], [1, 8]), [8, 1])), [12, 8]],
    ["both orders at once", (x) => sub(x, transpose(x)), [16, 16]],
    [
      "into a frame",
      (x) =>
        pad(
          transpose(
            pad(
              x,
              [
                [2, 1],
                [0, 3],
              ],
              9,
            ),
          ),
          [
            [1, 0],
            [0, 2],
          ],
          7,
        ),
      [8, 12],
    ],
    ["part of a matrix", (x) => transpose(slice(x, [1, 2], [9, 14])), [12, 20]],
    ["every second column", (x) => transpose(slice(x, [0, 1], [8, 17], [1, 2])), [8, 20]],
  ])("%s", async (_, f, shape) => {
    const run = async (device: typeof wasm): Promise<number[]> => [...(await jit(f, { device })(numbers(shape)).read())];
    expect(await run(wasm)).toEqual(await run(reference));
  });
});

describe("is arranged", () => {
  test("where a loop's turns lie next to each other", () => {
    const [kernel] = loops((x) => transpose(x), [8, 12]);
    expect(kernel!.outputs).toHaveLength(4);
    expect(kernel!.extents).toEqual([3, 8]);
  });

  test("over two loops where one is not a multiple of four", () => {
    const [kernel] = loops(packed, [16, 8, 3, 3]);
    expect(kernel!.outputs).toHaveLength(36);
  });

  test("and shares what the turns have in common", () => {
    const [kernel] = loops((x) => mul(transpose(x), reshape(slice(x, [0, 0], [8, 1]), [1, 8])), [8, 12]);
    const factors = kernel!.outputs.map(({ value }) => (value.kind === "op" ? value.args[1] : undefined));
    expect(new Set(factors).size).toBe(1);
  });

  test("not where nothing lies next to anything else", () => {
    const [kernel] = loops((x) => transpose(x), [8, 13]);
    expect(kernel!.outputs).toHaveLength(1);
  });
});

test("a state updated in place by a gradient in another order is right", async () => {
  const update = (p: Value, x: Value) => {
    const gradient = grad((w: Value) => sum(mul(mul(transpose(w), transpose(w)), x)))(p);
    return { p: sub(p, mul(gradient, 0.25)) };
  };
  const run = (device: typeof wasm): number[] => {
    const step = jit(update, { device, donate: [0] });
    return [...(step(numbers([64, 96]), numbers([96, 64])) as { p: Tensor }).p.data()];
  };
  expect(run(wasm)).toEqual(run(reference));
});

test("two loops that are arranged apart are not joined to one that cannot be", () => {
  const x = new Node("input", [], {}, [16, 16, 3, 3], "float32");
  const results = [packed(x), transpose(x, [2, 3, 0, 1])] as Node[];
  const { calls } = compileGraph([x], results, [false]);
  expect(calls).toHaveLength(2);
  expect(calls.some(({ kernel }) => kernel.kind === "loop" && kernel.outputs.length > 1)).toBe(true);
});
