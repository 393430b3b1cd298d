/** @file Equal parts of a program are made into one kernel, which is planned and written once. */
import { conv2d, grad, mean, relu, sub, sum, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import { printKernel } from "../../src/ir/print-kernel.ts";
import { CPU, GPU, WIDE_CPU } from "../../src/ir/target.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";

const node = (shape: readonly number[]): Node => new Node("input", [], {}, shape, "float32");

/** The gradient of so many equal layers, each with a reduction in two steps and results that are made together. */
function gradientOf(layers: number): { readonly inputs: readonly Node[]; readonly outputs: readonly Node[] } {
  const [x, w] = [node([8, 16, 12, 12]), node([16, 16, 3, 3])];
  const network = (image: Value, filter: Value): Value => {
    let h = image;
    for (let i = 0; i < layers; i++) {
      const y = conv2d(h, filter, { padding: 1 });
      h = relu(sub(y, mean(y, [0, 2, 3], { keepDims: true })));
    }
    return sum(h);
  };
  return { inputs: [x, w], outputs: [grad(network)(x, w), grad(network, 1)(x, w)] };
}

test.each(Object.entries({ CPU, WIDE_CPU, GPU }))("kernels of equal text are one object, %s", (_, target) => {
  const objects = (layers: number): Map<string, Kernel> => {
    const { inputs, outputs } = gradientOf(layers);
    const found = new Map<string, Kernel>();
    for (const { kernel } of compileGraph(inputs, outputs, [false, false], target).calls) {
      const text = printKernel(kernel);
      expect(found.get(text) ?? kernel).toBe(kernel);
      found.set(text, kernel);
    }
    return found;
  };
  // The first and the last layers have kernels of their own.
  expect(objects(8).size).toBe(objects(6).size);
});
