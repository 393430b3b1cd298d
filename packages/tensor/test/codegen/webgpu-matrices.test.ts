/** @file Contractions on tensor cores: valid WGSL for every tile and kind of matrix, and exact results where the matrices are emulated. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateConv } from "../../src/codegen/webgpu/conv.ts";
import { generateFilterGrad } from "../../src/codegen/webgpu/filter-grad.ts";
import { type MatrixShape, matrixThreads, matrixTiles } from "../../src/codegen/webgpu/matrix-tile.ts";
import type { ConvKernel, FilterGradKernel, ImageStrides } from "../../src/ir/kernel.ts";
import { emulated } from "../support/emulated-matrices.ts";
import { compileError, nullGpu, runShader, testGpu } from "../support/gpu.ts";
import { numbers } from "../support/kernels.ts";

const PLACES = [0, 1, 2].map((binding) => ({ binding, word: 0 }));
const HALF = PLACES.map((place, i) => ({ ...place, half: i < 2 }));

function image(height: number, width: number, channels: number): ImageStrides {
  return { offset: 0, image: height * width * channels, row: width * channels, pixel: channels };
}

/** A 3 × 3 convolution and its filter gradient. */
function kernels(batch: number, size: number, inputs: number, channels: number): { conv: ConvKernel; filterGrad: FilterGradKernel } {
  const padded = size + 2;
  const shape = {
    batch,
    height: size,
    width: size,
    rows: 3,
    channels,
    run: 3 * inputs,
    tapRow: padded * inputs,
    input: image(padded, padded, inputs),
  };
  return {
    conv: { kind: "conv", ...shape, block: 8, output: image(size, size, channels) },
    filterGrad: { kind: "filter-grad", ...shape, cotangent: image(size, size, channels), chunks: 1 },
  };
}

/** What adapters offer: NVIDIA's and AMD's, Intel's. */
const SHAPES: readonly MatrixShape[] = [
  { rows: 16, columns: 16, depth: 16 },
  { rows: 16, columns: 8, depth: 16 },
  { rows: 16, columns: 8, depth: 8 },
  { rows: 8, columns: 16, depth: 16 },
];

test("every tile for every kind of matrix compiles, with operands in float32 and in float16", async () => {
  const device = await nullGpu(["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix" as GPUFeatureName]);
  const { maxComputeInvocationsPerWorkgroup: mostInvocations } = device.limits;
  let compiled = 0;
  for (const [inputs, channels] of [
    [64, 128],
    [3, 10],
  ] as const) {
    const { conv, filterGrad } = kernels(4, 32, inputs, channels);
    for (const shape of SHAPES) {
      // The null backend's subgroups have up to 128 invocations, and workgroups must be multiples of that.
      const tiles = [32, 128].flatMap((lanes) => matrixTiles({ ...shape, lanes, mostInvocations }).filter((tile) => matrixThreads(tile) % 128 === 0));
      expect(tiles.length).toBeGreaterThan(6);
      for (const tile of tiles) {
        for (const places of [PLACES, HALF]) {
          for (const { wgsl } of [generateConv(conv, places, tile, "f16"), generateFilterGrad(filterGrad, places, tile, "f16")]) {
            expect(await compileError(device, wgsl), JSON.stringify(tile)).toBeUndefined();
            compiled++;
          }
        }
      }
    }
  }
  expect(compiled).toBeGreaterThan(100);
  device.destroy();
});

test("tiles keep to the limits of a workgroup", () => {
  const shape = { rows: 16, columns: 16, depth: 16, lanes: 32 };
  const tiles = matrixTiles({ ...shape, mostInvocations: 128 });
  expect(tiles.length).toBe(6);
  for (const tile of tiles) expect(matrixThreads(tile)).toBeLessThanOrEqual(128);
  expect(matrixTiles({ ...shape, mostInvocations: 256 }).length).toBe(7);
  expect(matrixTiles({ ...shape, mostInvocations: 16 })).toEqual([]);
});

describe("emulated, give the same numbers as the plain kernels", () => {
  let gpu: GPUDevice;
  beforeAll(async () => {
    const options = await testGpu();
    gpu = await (await (options.gpu ?? navigator.gpu).requestAdapter())!.requestDevice();
  });
  afterAll(() => gpu?.destroy());

  const all = matrixTiles({ rows: 4, columns: 8, depth: 4, lanes: 1, mostInvocations: 256 });
  // Larger grids are the same text more often, and take long to compile.
  const tiles = all.filter(({ grid }) => grid[0] * grid[1] <= 4);

  /** Aligned in every way, and in none. Tiles take them in turn: a shader takes a while to compile. */
  const CHANNELS = [
    { inputs: 4, channels: 20 },
    { inputs: 3, channels: 5 },
  ];

  test.each(tiles.map((tile, i) => ({ ...tile, i })))("tile $m × $n, subgroups $subgroups, grid $grid", async ({ i, ...tile }) => {
    const { inputs, channels } = CHANNELS[i % 2]!;
    const { conv, filterGrad } = kernels(2, 5, inputs, channels);
    const x = numbers(2 * 49 * inputs, 1);
    const filter = numbers(Math.ceil(channels / 8) * 8 * 9 * inputs, 2);
    const dy = numbers(2 * 25 * channels, 3);
    const compare = async (
      plain: { wgsl: string },
      matrices: { wgsl: string; workgroups: readonly [number, number, number] },
      data: Float32Array[],
      size: number,
    ) => {
      const code = { wgsl: emulated(matrices.wgsl), workgroups: matrices.workgroups };
      expect(await runShader(gpu, code, data, size)).toEqual(await runShader(gpu, plain as typeof code, data, size));
    };
    await compare(generateConv(conv, PLACES), generateConv(conv, PLACES, tile, "f16"), [x, filter], 2 * 25 * channels);
    await compare(generateFilterGrad(filterGrad, PLACES), generateFilterGrad(filterGrad, PLACES, tile, "f16"), [x, dy], 9 * inputs * channels);
  });
});
