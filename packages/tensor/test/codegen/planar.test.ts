/** @file Planar convolution kernels against their definition, and where the compiler uses them. */
import { describe, expect, it } from "vitest";
import { emitKernel } from "../../src/codegen/wasm/program.ts";
import { Node } from "../../src/ir/graph.ts";
import type { PlanarShape } from "../../src/ir/kernel.ts";
import "../../src/ops/index.ts";
import { conv2d, conv2dFilterGrad, conv2dInputGrad } from "../../src/ops/build.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { execute, firstDifference, numbers, relaxedAvailable } from "../support/kernels.ts";

const SHAPES: Readonly<Record<string, PlanarShape & { readonly chunks: number }>> = {
  "the small model": { batch: 4, channels: 4, inputs: 3, height: 32, width: 32, rows: 3, columns: 3, chunks: 2 },
  "its input gradient": { batch: 3, channels: 3, inputs: 4, height: 32, width: 32, rows: 3, columns: 3, chunks: 3 },
  "one channel each": { batch: 2, channels: 1, inputs: 1, height: 7, width: 8, rows: 3, columns: 3, chunks: 1 },
  "one row": { batch: 5, channels: 2, inputs: 4, height: 1, width: 12, rows: 1, columns: 5, chunks: 5 },
  "one column of taps, narrow": { batch: 2, channels: 4, inputs: 2, height: 9, width: 8, rows: 5, columns: 1, chunks: 2 },
  "a rest of every size": { batch: 1, channels: 3, inputs: 1, height: 3, width: 20, rows: 2, columns: 4, chunks: 1 },
  "grey 28x28": { batch: 2, channels: 4, inputs: 1, height: 28, width: 28, rows: 3, columns: 3, chunks: 1 },
  "1x1 filter": { batch: 2, channels: 2, inputs: 3, height: 5, width: 16, rows: 1, columns: 1, chunks: 2 },
};

function convolution(x: Float32Array, filter: Float32Array, shape: PlanarShape): Float32Array {
  const { batch, channels, inputs, height, width, rows, columns } = shape;
  const [inHeight, inWidth] = [height + rows - 1, width + columns - 1];
  const y = new Float32Array(batch * channels * height * width);
  for (let b = 0, out = 0; b < batch; b++)
    for (let k = 0; k < channels; k++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++, out++) {
          let sum = 0;
          for (let c = 0, tap = 0; c < inputs; c++)
            for (let r = 0; r < rows; r++)
              for (let s = 0; s < columns; s++, tap++) sum += x[((b * inputs + c) * inHeight + i + r) * inWidth + j + s]! * filter[tap * channels + k]!;
          y[out] = sum;
        }
  return y;
}

function filterGradient(x: Float32Array, dy: Float32Array, shape: PlanarShape, chunks: number): Float32Array {
  const { batch, channels, inputs, height, width, rows, columns } = shape;
  const [inHeight, inWidth] = [height + rows - 1, width + columns - 1];
  const taps = inputs * rows * columns;
  const sums = new Float32Array(chunks * channels * taps);
  for (let b = 0; b < batch; b++)
    for (let k = 0; k < channels; k++)
      for (let c = 0, tap = 0; c < inputs; c++)
        for (let r = 0; r < rows; r++)
          for (let s = 0; s < columns; s++, tap++) {
            const place = (Math.floor(b / (batch / chunks)) * channels + k) * taps + tap;
            for (let i = 0; i < height; i++)
              for (let j = 0; j < width; j++)
                sums[place]! += x[((b * inputs + c) * inHeight + i + r) * inWidth + j + s]! * dy[((b * channels + k) * height + i) * width + j]!;
          }
  return sums;
}

describe.each([false, true])("planar kernels, fused multiply-add %s", (relaxed) => {
  describe.skipIf(relaxed && !relaxedAvailable()).each(Object.entries(SHAPES))("%s", (_, { chunks, ...shape }) => {
    const { batch, channels, inputs, height, width, rows, columns } = shape;
    const x = numbers(batch * inputs * (height + rows - 1) * (width + columns - 1), 1);

    it("convolves", () => {
      const filter = numbers(inputs * rows * columns * channels, 2);
      const y = execute((module) => emitKernel({ kind: "planar-conv", ...shape }, module), relaxed, [x, filter], batch * channels * height * width);
      expect(firstDifference(y, convolution(x, filter, shape))).toBe(-1);
    });

    it("gives the filter's gradient", () => {
      const dy = numbers(batch * channels * height * width, 3);
      const kernel = { kind: "planar-filter-grad", ...shape, chunks } as const;
      const sums = execute((module) => emitKernel(kernel, module), relaxed, [x, dy], chunks * channels * inputs * rows * columns);
      expect(firstDifference(sums, filterGradient(x, dy, shape, chunks))).toBe(-1);
    });
  });
});

describe("choosing planar kernels", () => {
  const kinds = (f: (x: Node, w: Node, dy: Node) => Node, inputs: number, channels: number, width: number): string[] => {
    const input = (shape: number[]): Node => new Node("input", [], {}, shape, "float32");
    const leaves = [input([2, inputs, width, width]), input([channels, inputs, 3, 3]), input([2, channels, width, width])] as const;
    return compileGraph(leaves, [f(...leaves)], [false, false, false]).calls.map(({ kernel }) => kernel.kind);
  };
  const geometry = { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
  const family = {
    "planar-conv": (x: Node, w: Node) => conv2d(x, w, geometry),
    "planar-filter-grad": (x: Node, _: Node, dy: Node) => conv2dFilterGrad(x, dy, geometry, [3, 3]),
  };

  it.each(Object.entries(family))("%s serves few channels and rows of whole vectors", (kind, f) => {
    expect(kinds(f, 3, 4, 32)).toContain(kind);
    expect(kinds(f, 3, 16, 32)).not.toContain(kind);
    expect(kinds(f, 16, 4, 32)).not.toContain(kind);
    expect(kinds(f, 3, 4, 30)).not.toContain(kind);
    expect(kinds(f, 3, 4, 4)).not.toContain(kind);
  });

  it("and the input gradient", () => {
    const inputGradient = (_: Node, w: Node, dy: Node): Node => conv2dInputGrad(dy, w, geometry, [32, 32]);
    expect(kinds(inputGradient, 3, 4, 32)).toContain("planar-conv");
  });
});
