/** @file Contraction kernels against their definitions, on every kind of geometry the models lower to and on awkward ones. */
import v8 from "node:v8";
import { describe, expect, it } from "vitest";
import { emitConv, emitFilterGrad } from "../../src/codegen/wasm/contraction.ts";
import { encodeModule, FunctionBuilder, SIMD } from "../../src/codegen/wasm/encoder.ts";
import type { KernelCode, ModuleContext } from "../../src/codegen/wasm/kernel-code.ts";
import { type ConvKernel, channelBlock, type FilterGradKernel, type ImageStrides } from "../../src/ir/kernel.ts";
import { filterGradChunks } from "../../src/passes/physical.ts";

// Node 20 has relaxed SIMD behind this flag; later versions have it on and ignore the flag.
v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

const MEMORY = { initialPages: 1, maximumPages: 256, shared: true };
const PAGE_FLOATS = 16384;
/** Untouched floats around each buffer. */
const GUARD = 32;
const GUARD_VALUE = 12345;

function relaxedAvailable(): boolean {
  const probe = new FunctionBuilder([]);
  probe.v128(0).v128(0).v128(0).simd(SIMD.f32x4_relaxed_madd).emit(0x1a);
  return WebAssembly.validate(encodeModule([probe], { probe: 0 }, MEMORY));
}

/** Pseudo-random multiples of 1/8 in [-1, 1): products and moderate sums are exact in float32, so results can be compared exactly. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 28) / 8 - 1;
  });
}

function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  const keys = numbers(count, 5).map((x, i) => x + ((i * 7919) % 1009));
  return order.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0));
}

/** Index of the first element that differs, -1 if none does. */
function firstDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  return a.findIndex((x, i) => x !== b[i]);
}

/** Runs all tasks in a shuffled order on fresh memory and returns the output buffer; the other floats must stay as they were. */
function execute(emit: (module: ModuleContext) => KernelCode, relaxed: boolean, inputs: readonly Float32Array[], outputSize: number): Float32Array {
  const functions: FunctionBuilder[] = [];
  const code = emit({ add: (f) => functions.push(f) - 1, relaxed });
  const bytes = encodeModule(functions, { entry: code.entry }, MEMORY);
  let next = GUARD;
  const addresses = [...inputs.map((x) => x.length), outputSize].map((size) => {
    const start = next;
    next += size + GUARD;
    return start;
  });
  const memory = new WebAssembly.Memory({ initial: Math.ceil(next / PAGE_FLOATS), maximum: MEMORY.maximumPages, shared: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const all = new Float32Array(memory.buffer).fill(GUARD_VALUE);
  inputs.forEach((x, i) => {
    all.set(x, addresses[i] ?? 0);
  });
  const before = all.slice();
  const entry = instance.exports["entry"] as (task: number, ...buffers: number[]) => void;
  for (const task of shuffled(code.tasks)) entry(task, ...addresses.map((a) => 4 * a));
  const start = addresses.at(-1) ?? 0;
  const output = all.slice(start, start + outputSize);
  before.set(output, start);
  expect(firstDifference(all, before)).toBe(-1);
  return output;
}

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
  "5 channels of a block of 8": { batch: 2, height: 4, width: 9, inputs: 5, channels: 5, window: 3, stride: 1, block: 8 },
  "21 channels": { batch: 2, height: 4, width: 6, inputs: 5, channels: 21, window: 3, stride: 1 },
  "output written by phase": { batch: 2, height: 4, width: 4, inputs: 8, channels: 6, window: 2, stride: 1, spread: 2, offset: 6 },
  "1x1 into every second pixel": { batch: 2, height: 6, width: 6, inputs: 8, channels: 12, window: 1, stride: 1, spread: 2 },
  "gaps between output pixels": { batch: 2, height: 4, width: 11, inputs: 4, channels: 10, window: 3, stride: 1, gap: 3, offset: 5 },
  "long rows": { batch: 1, height: 2, width: 150, inputs: 4, channels: 8, window: 3, stride: 1 },
  "matrix, 10 columns": matrix(128, 512, 10),
  "matrix, 10 columns in blocks of 8": { ...matrix(128, 256, 10), block: 8 },
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

const block = (g: Geometry): number => g.block ?? channelBlock(g.channels);
const taps = (g: Geometry): { rows: number; run: number; tapRow: number } => ({
  rows: g.window,
  run: g.window * g.inputs,
  tapRow: ((g.width - 1) * g.stride + g.window) * g.inputs,
});

function convKernel(g: Geometry): ConvKernel {
  const { batch, height, width, channels } = g;
  const { input, output } = strides(g);
  return { kind: "conv", batch, height, width, channels, block: block(g), ...taps(g), input, output, filterImage: 0 };
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
      const output = execute((module) => emitConv(kernel, module), relaxed, [input, filter], outputSize);
      expect(firstDifference(output, naiveConv(kernel, input, filter, outputSize))).toBe(-1);
    });

    it("filter gradient equals its definition", () => {
      const kernel = filterGradKernel(geometry);
      const cotangent = numbers(outputSize, 3);
      const size = kernel.chunks * kernel.rows * kernel.run * kernel.channels;
      const output = execute((module) => emitFilterGrad(kernel, module), relaxed, [input, cotangent], size);
      expect(firstDifference(output, naiveFilterGrad(kernel, input, cotangent))).toBe(-1);
    });
  });
});

describe("task splitting", () => {
  const tasks = (emit: (module: ModuleContext) => KernelCode): number => emit({ add: () => 0, relaxed: true }).tasks;
  const layer: Geometry = { batch: 32, height: 16, width: 16, inputs: 128, channels: 128, window: 3, stride: 1, chunks: 4 };

  it("cuts a layer into enough tasks to balance threads", () => {
    expect(tasks((module) => emitConv(convKernel(layer), module))).toBeGreaterThanOrEqual(64);
    expect(tasks((module) => emitFilterGrad(filterGradKernel(layer), module))).toBeGreaterThanOrEqual(64);
  });

  it("keeps a small kernel in one task", () => {
    expect(tasks((module) => emitConv(convKernel(matrix(16, 32, 10)), module))).toBe(1);
    expect(tasks((module) => emitFilterGrad(filterGradKernel(matrix(16, 32, 10)), module))).toBe(1);
  });

  it("chooses chunks that divide the batch", () => {
    expect(filterGradChunks(32, 32, 32)).toBe(8);
    expect(filterGradChunks(30, 32, 32)).toBe(6);
    expect(filterGradChunks(31, 32, 32)).toBe(1);
    expect(filterGradChunks(128, 4, 4)).toBe(1);
  });

  it("prefers tall tiles of one vector where two would be half empty", () => {
    expect([3, 4, 8, 10, 16, 64].map(channelBlock)).toEqual([4, 4, 8, 4, 8, 8]);
  });
});
