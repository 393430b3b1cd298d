/** @file Every variant of every contraction is valid WGSL. Dawn's null backend compiles and validates what no adapter here could run. */
import { expect, test } from "vitest";
import { generateConv } from "../../src/codegen/webgpu/conv.ts";
import { generateFilterGrad } from "../../src/codegen/webgpu/filter-grad.ts";
import { TILES } from "../../src/codegen/webgpu/tile.ts";
import type { ConvKernel, FilterGradKernel, ImageStrides } from "../../src/ir/kernel.ts";
import { nullGpu } from "../support/gpu.ts";

const PLACES = [0, 1, 2].map((binding) => ({ binding, word: 0 }));

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
    const conv: ConvKernel = { kind: "conv", ...shape, block: 8, output: image(32, 32, channels), filterImage: 0 };
    const filterGrad: FilterGradKernel = { kind: "filter-grad", ...shape, cotangent: image(32, 32, channels), chunks: 2 };
    for (const tile of TILES) {
      for (const factor of ["f32", "f16"] as const) {
        const shaders = [generateConv(conv, PLACES, tile, factor), ...(tile.rows % 4 === 0 ? [generateFilterGrad(filterGrad, PLACES, tile, factor)] : [])];
        for (const { wgsl } of shaders) {
          expect(wgsl.includes("enable f16;")).toBe(factor === "f16");
          device.pushErrorScope("validation");
          device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code: wgsl }) } });
          expect((await device.popErrorScope())?.message, JSON.stringify({ tile, factor })).toBeUndefined();
        }
      }
    }
  }
  device.destroy();
});
