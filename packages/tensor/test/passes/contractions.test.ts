/** @file Which way of computing a contraction is taken: the cheapest of those that fit. */
import { avgPool2d, type ConvOptions, conv2d, createDevice, grad, jit, maxPool2d, square, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import { CPU, GPU } from "../../src/ir/target.ts";
import { cheapest, type Way } from "../../src/passes/contractions/contraction.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { relativeError } from "../support/relative-error.ts";

function kernelsOf(f: (...inputs: Value[]) => Value, shapes: readonly (readonly number[])[], target = CPU): Kernel[] {
  const inputs = shapes.map((shape) => new Node("input", [], {}, shape, "float32"));
  const outputs = [f(...inputs)];
  return compileGraph(
    inputs,
    outputs,
    inputs.map(() => false),
    target,
  ).calls.map(({ kernel }) => kernel);
}

const convolution = (x: number[], w: number[], options: ConvOptions, target = CPU): Kernel[] =>
  kernelsOf((image, filter) => conv2d(image!, filter!, options), [x, w], target).filter(({ kind }) => kind !== "loop");

test("the cheapest way that fits is taken, of equal ones the first, and none if none fits", () => {
  const way = (name: string, fits: boolean, cost: number): Way<null> => ({
    name,
    fits: () => fits,
    cost: () => cost,
    lower: () => ({ node: new Node("full", [], {}, [], "float32"), permutation: [] }),
  });
  expect(cheapest([way("a", true, 3), way("b", true, 2), way("c", false, 1), way("d", true, 2)], null, CPU)?.name).toBe("b");
  expect(cheapest([way("a", false, 1)], null, CPU)).toBeNull();
});

test.each([
  ["CPU", CPU],
  ["GPU", GPU],
] as const)("groups are one kernel, and channels by themselves loops, on a %s", (_, target) => {
  const [grouped, ...others] = convolution([2, 32, 8, 8], [32, 8, 3, 3], { groups: 4, padding: 1 }, target);
  expect(others).toEqual([]);
  expect(grouped).toMatchObject({ kind: "conv", groups: { count: 4 }, channels: 8, columns: { count: 3, step: 32 }, run: 8 });
  expect(convolution([2, 32, 8, 8], [32, 1, 3, 3], { groups: 32, padding: 1 }, target)).toEqual([]);
});

test("dilation and uneven padding change what is read, not how", () => {
  expect(convolution([2, 16, 8, 8], [16, 16, 3, 3], { padding: 1 })).toMatchObject([{ kind: "tile-transform" }, { kind: "winograd-conv" }]);
  const oneSide = [
    [2, 0],
    [0, 2],
  ] as const;
  expect(convolution([2, 16, 8, 8], [16, 16, 3, 3], { padding: oneSide })).toMatchObject([{ kind: "tile-transform" }, { kind: "winograd-conv" }]);
  // A window row of three columns that are not neighbours, in a row of twelve pixels.
  const [dilated] = convolution([2, 16, 8, 8], [16, 16, 3, 3], { padding: 2, dilation: 2 });
  expect(dilated).toMatchObject({ kind: "conv", rows: 3, tapRow: 2 * 12 * 16, columns: { count: 3, step: 2 * 16 }, run: 16 });
});

test("the largest elements and their places are one kernel in each part of the result: within, at two edges, at their corner; nothing is guarded", () => {
  const step = (x?: Value): Value => {
    const loss = (image: Value): Value => sum(square(maxPool2d(image, { kernel: 3, stride: 2, padding: 1 })));
    return grad((image: Value) => loss(conv2d(image, image.shape.length === 4 ? filter : image)))(x!);
  };
  const filter = new Node("full", [], { shape: [8, 8, 1, 1], value: 0.5 }, [8, 8, 1, 1], "float32");
  const loops = kernelsOf(step, [[2, 8, 8, 8]]).filter((kernel) => kernel.kind === "loop");
  expect(loops.filter(({ outputs }) => outputs.length === 2 && outputs.some(({ dtype }) => dtype === "int32"))).toHaveLength(4);
  expect(JSON.stringify(loops)).not.toContain("guard");
});

test("the filter's gradient of single pixels is a product of whole vectors, where there are channels enough for turning the image to pay", async () => {
  const gradientOf = (x?: Value, w?: Value): Value => grad((filter: Value) => sum(square(conv2d(x!, filter))))(w!);
  const kinds = (inputs: number, outputs: number): string[] =>
    kernelsOf(gradientOf, [
      [2, inputs, 6, 6],
      [outputs, inputs, 1, 1],
    ]).map(({ kind }) => kind);
  expect(kinds(64, 256)).not.toContain("filter-grad");
  expect(kinds(64, 64)).toContain("filter-grad");
  const noise = (shape: number[], seed: number): Tensor =>
    tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + i * 12.9898) % 1),
      shape,
    );
  const factors = [noise([2, 64, 6, 6], 1), noise([256, 64, 1, 1], 2)] as const;
  const results = await Promise.all(
    (["reference", "wasm"] as const).map(async (backend) => {
      const device = await createDevice({ backend });
      const result = await (jit(gradientOf, { device })(...factors) as Tensor).read();
      device.close();
      return result;
    }),
  );
  expect(relativeError(results[1] as Float32Array, results[0] as Float32Array)).toBeLessThan(1e-5);
});

test("the mean of windows is a convolution of channels by themselves", () => {
  const kernels = kernelsOf((x) => avgPool2d(x!, { kernel: 2 }), [[2, 8, 8, 8]]);
  expect(kernels.map(({ kind }) => kind)).not.toContain("conv");
});
