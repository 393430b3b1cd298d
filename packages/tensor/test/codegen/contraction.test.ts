/** @file Contraction kernels against their definitions, on every kind of geometry the models lower to and on awkward ones. */
import { describe, expect, it } from "vitest";
import type { KernelCode, ModuleContext } from "../../src/codegen/wasm/kernel-code.ts";
import { emitKernel } from "../../src/codegen/wasm/program.ts";
import { type ConvKernel, channelBlock, type FilterGradKernel, filterBlock, type ImageStrides } from "../../src/ir/kernel.ts";
import { CPU } from "../../src/ir/target.ts";
import { filterGradChunks } from "../../src/passes/contractions/direct-filter-gradient.ts";
import { execute, firstDifference, GUARD_VALUE, noScratch, numbers, relaxedAvailable } from "../support/kernels.ts";

interface Geometry {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly channels: number;
  readonly window: number;
  readonly stride: number;
  /** Step between output pixels and rows, for outputs that are written phase by phase. */
  readonly spread?: number;
  /** Floats between the last channel of an output pixel and the next pixel. */
  readonly gap?: number;
  readonly offset?: number;
  readonly block?: number;
  readonly chunks?: number;
}

/** A rows × inner times inner × columns product. */
function matrix(rows: number, inner: number, columns: number): Geometry {
  return { batch: 1, height: 1, width: rows, inputs: inner, channels: columns, window: 1, stride: 1 };
}

const GEOMETRIES: Readonly<Record<string, Geometry>> = {
  "3x3, whole tiles": { batch: 2, height: 8, width: 8, inputs: 16, channels: 16, window: 3, stride: 1, chunks: 2 },
  "3x3, more rows than a group": { batch: 3, height: 32, width: 32, inputs: 8, channels: 24, window: 3, stride: 1, chunks: 3 },
  "first layer, 3 channels": { batch: 2, height: 16, width: 16, inputs: 3, channels: 64, window: 3, stride: 1 },
  "small model, 3 to 4": { batch: 4, height: 32, width: 32, inputs: 3, channels: 4, window: 3, stride: 1, chunks: 2 },
  "small model, 4 to 3": { batch: 4, height: 32, width: 32, inputs: 4, channels: 3, window: 3, stride: 1, chunks: 4 },
  "small maps, many channels": { batch: 8, height: 4, width: 4, inputs: 64, channels: 128, window: 3, stride: 1, chunks: 2 },
  "2x2 maps": { batch: 9, height: 2, width: 2, inputs: 8, channels: 16, window: 3, stride: 1, chunks: 3 },
  "2x2 maps, one vector": { batch: 5, height: 2, width: 2, inputs: 8, channels: 4, window: 3, stride: 1 },
  "1x1 maps": { batch: 13, height: 1, width: 1, inputs: 5, channels: 12, window: 3, stride: 1 },
  "one pixel": { batch: 1, height: 1, width: 1, inputs: 6, channels: 7, window: 1, stride: 1 },
  "width 7": { batch: 2, height: 5, width: 7, inputs: 8, channels: 8, window: 3, stride: 1 },
  "width 3, height 1": { batch: 2, height: 1, width: 3, inputs: 4, channels: 9, window: 2, stride: 1 },
  "width 5, one vector": { batch: 2, height: 3, width: 5, inputs: 7, channels: 2, window: 3, stride: 1, chunks: 2 },
  "one channel": { batch: 2, height: 6, width: 6, inputs: 1, channels: 1, window: 3, stride: 1 },
  "stride 2": { batch: 2, height: 8, width: 8, inputs: 8, channels: 16, window: 3, stride: 2, chunks: 2 },
  "1x1 with stride 2": { batch: 2, height: 8, width: 8, inputs: 16, channels: 32, window: 1, stride: 2 },
  "1x1, all dimensions merge": { batch: 4, height: 6, width: 6, inputs: 8, channels: 16, window: 1, stride: 1, chunks: 2 },
  "3x3, blocks of 16": { batch: 2, height: 7, width: 9, inputs: 5, channels: 48, window: 3, stride: 1, block: 16, chunks: 2 },
  "5 channels of a block of 8": { batch: 2, height: 4, width: 9, inputs: 5, channels: 5, window: 3, stride: 1, block: 8 },
  "21 channels": { batch: 2, height: 4, width: 6, inputs: 5, channels: 21, window: 3, stride: 1 },
  "output written by phase": { batch: 2, height: 4, width: 4, inputs: 8, channels: 6, window: 2, stride: 1, spread: 2, offset: 6 },
  "1x1 into every second pixel": { batch: 2, height: 6, width: 6, inputs: 8, channels: 12, window: 1, stride: 1, spread: 2 },
  "gaps between output pixels": { batch: 2, height: 4, width: 11, inputs: 4, channels: 10, window: 3, stride: 1, gap: 3, offset: 5 },
  "long rows": { batch: 1, height: 2, width: 150, inputs: 4, channels: 8, window: 3, stride: 1 },
  "matrix, 10 columns": matrix(128, 512, 10),
  "matrix, 10 columns in blocks of 4": { ...matrix(128, 256, 10), block: 4 },
  "matrix, 10 columns in blocks of 8": { ...matrix(128, 256, 10), block: 8 },
  "matrix, blocks of 16": { ...matrix(33, 21, 64), block: 16 },
  "matrix, rows of 4 KiB": matrix(21, 10, 1024),
  "matrix, 10 deep": matrix(64, 10, 512),
  "matrix, prime sizes": matrix(131, 37, 23),
  "matrix, one row": matrix(1, 50, 20),
  "matrix, one column": matrix(70, 33, 1),
};

/** Input and output strides; the input is already padded. */
function strides(g: Geometry): { input: ImageStrides; output: ImageStrides; inputSize: number; outputSize: number } {
  const { batch, height, width, inputs, channels, window, stride, spread = 1, gap = 0, offset = 0 } = g;
  const [paddedHeight, paddedWidth] = [(height - 1) * stride + window, (width - 1) * stride + window];
  const pixel = channels + gap;
  const [rowPixels, imageRows] = [width * spread, height * spread];
  return {
    input: { offset, image: paddedHeight * paddedWidth * inputs, row: stride * paddedWidth * inputs, pixel: stride * inputs },
    output: { offset, image: imageRows * rowPixels * pixel, row: spread * rowPixels * pixel, pixel: spread * pixel },
    inputSize: offset + batch * paddedHeight * paddedWidth * inputs,
    outputSize: offset + batch * imageRows * rowPixels * pixel - (spread === 1 ? gap : 0),
  };
}

const block = (g: Geometry): number => g.block ?? filterBlock(g.channels);
const taps = (g: Geometry): { rows: number; run: number; tapRow: number } => ({
  rows: g.window,
  run: g.window * g.inputs,
  tapRow: ((g.width - 1) * g.stride + g.window) * g.inputs,
});

function convKernel(g: Geometry): ConvKernel {
  const { batch, height, width, channels } = g;
  const { input, output } = strides(g);
  return { kind: "conv", batch, height, width, channels, block: block(g), ...taps(g), input, output };
}

function filterGradKernel(g: Geometry): FilterGradKernel {
  const { batch, height, width, channels } = g;
  const { input, output } = strides(g);
  return { kind: "filter-grad", batch, height, width, channels, ...taps(g), input, cotangent: output, chunks: g.chunks ?? 1 };
}

const at = (s: ImageStrides, b: number, y: number, x: number): number => s.offset + b * s.image + y * s.row + x * s.pixel;
const value = (data: Float32Array, index: number): number => data[index] ?? Number.NaN;

function forPixels(kernel: { batch: number; height: number; width: number }, visit: (b: number, y: number, x: number) => void): void {
  for (let b = 0; b < kernel.batch; b++) for (let y = 0; y < kernel.height; y++) for (let x = 0; x < kernel.width; x++) visit(b, y, x);
}

/** The definition of ConvKernel; elements it does not define keep the guard value. */
function naiveConv(kernel: ConvKernel, input: Float32Array, filter: Float32Array, size: number): Float32Array {
  const output = new Float32Array(size).fill(GUARD_VALUE);
  forPixels(kernel, (b, y, x) => {
    for (let k = 0; k < kernel.channels; k++) {
      let sum = 0;
      for (let r = 0; r < kernel.rows; r++) {
        for (let i = 0; i < kernel.run; i++) {
          const tap = (Math.floor(k / kernel.block) * kernel.rows + r) * kernel.run + i;
          sum += value(input, at(kernel.input, b, y, x) + kernel.tapRow * r + i) * value(filter, tap * kernel.block + (k % kernel.block));
        }
      }
      output[at(kernel.output, b, y, x) + k] = sum;
    }
  });
  return output;
}

/** The definition of FilterGradKernel. */
function naiveFilterGrad(kernel: FilterGradKernel, input: Float32Array, cotangent: Float32Array): Float32Array {
  const { rows, run, channels } = kernel;
  const output = new Float32Array(kernel.chunks * rows * run * channels);
  forPixels(kernel, (b, y, x) => {
    const chunk = Math.floor((b * kernel.chunks) / kernel.batch);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < run; i++) {
        const left = value(input, at(kernel.input, b, y, x) + kernel.tapRow * r + i);
        const row = ((chunk * rows + r) * run + i) * channels;
        for (let k = 0; k < channels; k++) output[row + k] = value(output, row + k) + left * value(cotangent, at(kernel.cotangent, b, y, x) + k);
      }
    }
  });
  return output;
}

describe.each([false, true])("contractions, relaxed %s", (relaxed) => {
  describe.skipIf(relaxed && !relaxedAvailable()).each(Object.entries(GEOMETRIES))("%s", (_, geometry) => {
    const { inputSize, outputSize } = strides(geometry);
    const input = numbers(inputSize, 1);

    it("conv equals its definition", () => {
      const kernel = convKernel(geometry);
      const blocks = Math.ceil(kernel.channels / kernel.block);
      const filter = numbers(blocks * kernel.rows * kernel.run * kernel.block, 2);
      const output = execute((module) => emitKernel(kernel, module), relaxed, [input, filter], outputSize);
      expect(firstDifference(output, naiveConv(kernel, input, filter, outputSize))).toBe(-1);
    });

    it("filter gradient equals its definition", () => {
      const kernel = filterGradKernel(geometry);
      const cotangent = numbers(outputSize, 3);
      const size = kernel.chunks * kernel.rows * kernel.run * kernel.channels;
      const output = execute((module) => emitKernel(kernel, { ...module, wide: block(geometry) === 16 }), relaxed, [input, cotangent], size);
      expect(firstDifference(output, naiveFilterGrad(kernel, input, cotangent))).toBe(-1);
    });
  });
});

describe("task splitting", () => {
  const tasks = (emit: (module: ModuleContext) => KernelCode): number => emit({ add: () => 0, scratch: noScratch, relaxed: true, wide: false }).tasks;
  const layer: Geometry = { batch: 32, height: 16, width: 16, inputs: 128, channels: 128, window: 3, stride: 1, chunks: 4 };

  it("cuts a layer into enough tasks to balance threads", () => {
    expect(tasks((module) => emitKernel(convKernel(layer), module))).toBeGreaterThanOrEqual(64);
    expect(tasks((module) => emitKernel(filterGradKernel(layer), module))).toBeGreaterThanOrEqual(64);
  });

  it("keeps a small kernel in one task", () => {
    expect(tasks((module) => emitKernel(convKernel(matrix(16, 32, 10)), module))).toBe(1);
    expect(tasks((module) => emitKernel(filterGradKernel(matrix(16, 32, 10)), module))).toBe(1);
  });

  it("chooses chunks that divide the batch", () => {
    expect(filterGradChunks({ batch: 32, result: [32, 32] }, CPU)).toBe(8);
    expect(filterGradChunks({ batch: 30, result: [32, 32] }, CPU)).toBe(6);
    expect(filterGradChunks({ batch: 31, result: [32, 32] }, CPU)).toBe(1);
    expect(filterGradChunks({ batch: 128, result: [4, 4] }, CPU)).toBe(1);
  });

  it("prefers tall tiles of one vector where two would be half empty, and three where they hold all channels", () => {
    expect([3, 4, 8, 10, 16, 64].map(channelBlock)).toEqual([4, 4, 8, 4, 8, 8]);
    expect([3, 4, 8, 9, 12, 13, 20, 64].map((channels) => filterBlock(channels))).toEqual([4, 4, 8, 12, 12, 8, 4, 8]);
    expect([10, 16, 24, 64].map((channels) => filterBlock(channels, true))).toEqual([12, 16, 8, 16]);
  });
});
