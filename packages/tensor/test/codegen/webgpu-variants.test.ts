/** @file Every variant of every contraction is valid WGSL. Dawn's null backend compiles and validates what no adapter here could run. */
import { expect, test } from "vitest";
import { generateConv } from "../../src/codegen/webgpu/conv.ts";
import { generateFilterGrad } from "../../src/codegen/webgpu/filter-grad.ts";
import { generateLoop } from "../../src/codegen/webgpu/loop.ts";
import type { BufferBinding } from "../../src/codegen/webgpu/memory.ts";
import { TILES } from "../../src/codegen/webgpu/tile.ts";
import type { ConvKernel, FilterGradKernel, ImageStrides, LoopKernel } from "../../src/ir/kernel.ts";
import { type Expr, scalar } from "../../src/ir/scalar.ts";
import { compileError, nullGpu } from "../support/gpu.ts";

/** Three buffers, of which some are stored in float16. */
const places = (...half: number[]): BufferBinding[] => [0, 1, 2].map((binding) => ({ binding, word: 0, half: half.includes(binding) }));
/** Nothing, one operand, everything that can be. */
const STORED = { conv: [places(), places(0), places(0, 1, 2)], filterGrad: [places(), places(1), places(0, 1)] };

const image = (height: number, width: number, channels: number): ImageStrides => ({
  offset: 0,
  image: height * width * channels,
  row: width * channels,
  pixel: channels,
});

/** 3 × 3 convolutions: aligned and not. */
const SHAPES = [
  { inputs: 64, channels: 128 },
  { inputs: 3, channels: 10 },
];

test("tiles in float32 and float16", async () => {
  const device = await nullGpu(["shader-f16"]);
  const common = { batch: 4, height: 32, width: 32, rows: 3 };
  for (const { inputs, channels } of SHAPES) {
    const shape = { ...common, channels, run: 3 * inputs, tapRow: 34 * inputs, input: image(34, 34, inputs) };
    const conv: ConvKernel = { kind: "conv", ...shape, block: 8, output: image(32, 32, channels) };
    const filterGrad: FilterGradKernel = { kind: "filter-grad", ...shape, cotangent: image(32, 32, channels), chunks: 2 };
    for (const tile of TILES) {
      for (const factor of ["f32", "f16"] as const) {
        // Results of ten channels are not written in groups of four.
        const conventional = STORED.conv.slice(0, channels % 4 === 0 ? 3 : 2);
        const shaders = [
          ...conventional.map((stored) => generateConv(conv, stored, tile, factor)),
          ...(tile.rows % 4 === 0 ? STORED.filterGrad.map((stored) => generateFilterGrad(filterGrad, stored, tile, factor)) : []),
        ];
        for (const { wgsl } of shaders) {
          expect(wgsl.includes("enable f16;")).toBe(factor === "f16");
          expect(await compileError(device, wgsl), JSON.stringify({ tile, factor })).toBeUndefined();
        }
      }
    }
  }
  device.destroy();
});

/** A map of two loads, and the sum and maximum of its rows. */
const VALUE: Expr = scalar("add", "float32", load(0, [64, 1]), scalar("mul", "float32", load(1, [64, 1]), load(0, [0, 1])));
const LOOPS: readonly LoopKernel[] = [
  { kind: "loop", extents: [128, 64], reduced: 0, outputs: [{ buffer: 2, dtype: "float32", at: { offset: 0, strides: [64, 1] }, value: VALUE }] },
  {
    kind: "loop",
    extents: [128, 64],
    reduced: 1,
    combine: "sum",
    outputs: [{ buffer: 2, dtype: "float32", at: { offset: 0, strides: [1, 0] }, value: VALUE }],
  },
];

function load(buffer: number, strides: number[]): Expr {
  return { kind: "load", dtype: "float32", buffer, at: { offset: 0, strides } };
}

test("loops over float16, in bindings of their own and in shared ones", async () => {
  const device = await nullGpu();
  for (const kernel of LOOPS) {
    const written = kernel.reduced === 0 ? [2] : [];
    for (const stored of [places(0), places(0, 1, ...written)]) {
      for (const shared of [false, true]) {
        const bindings = stored.map((place, i) => (shared ? { ...place, binding: 0, word: 4096 * i + 2 } : place));
        expect(await compileError(device, generateLoop(kernel, bindings).wgsl)).toBeUndefined();
      }
    }
  }
  device.destroy();
});

test("float16 cannot be written one element at a time", () => {
  expect(() => generateLoop(LOOPS[1]!, places(2))).toThrow("float16 is written four elements at a time");
});
