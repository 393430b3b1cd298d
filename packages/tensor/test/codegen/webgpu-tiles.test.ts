/** @file Every tile of the WebGPU contractions, which on a large GPU a measurement may choose for any shape, gives exact results. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateConv } from "../../src/codegen/webgpu/conv.ts";
import { generateFilterGrad } from "../../src/codegen/webgpu/filter-grad.ts";
import type { KernelCode } from "../../src/codegen/webgpu/program.ts";
import { TILES } from "../../src/codegen/webgpu/tile.ts";
import type { ConvKernel, FilterGradKernel, ImageStrides } from "../../src/ir/kernel.ts";
import { runShader, testGpu } from "../support/gpu.ts";
import { numbers } from "../support/kernels.ts";

const PLACES = [0, 1, 2].map((binding) => ({ binding, word: 0 }));

let gpu: GPUDevice;
beforeAll(async () => {
  const options = await testGpu();
  const adapter = await (options.gpu ?? navigator.gpu).requestAdapter();
  gpu = await adapter!.requestDevice();
});
afterAll(() => gpu?.destroy());

const execute = (code: KernelCode, inputs: readonly (Float32Array | Uint16Array)[], size: number): Promise<Float32Array> => runShader(gpu, code, inputs, size);

function imageStrides(height: number, width: number, channels: number): ImageStrides {
  return { offset: 0, image: height * width * channels, row: width * channels, pixel: channels };
}

const CONVOLUTION = { batch: 2, height: 7, width: 9 };
/** Aligned in every way, and in none. Tiles take them in turn: a shader takes a while to compile. */
const CHANNELS = [
  { inputs: 8, channels: 20 },
  { inputs: 3, channels: 5 },
];

describe.each(TILES.map((tile, i) => ({ ...tile, i })))("tile $m × $n × $k, $rows × $columns", ({ i, ...tile }) => {
  test.each(CHANNELS.slice(i % 2, (i % 2) + 1))("convolution of $inputs channels to $channels", async ({ inputs, channels }) => {
    const { batch, height, width } = CONVOLUTION;
    const [paddedHeight, paddedWidth] = [height + 2, width + 2];
    const block = channels % 8 > 4 ? 8 : 4;
    const kernel: ConvKernel = {
      kind: "conv",
      ...CONVOLUTION,
      channels,
      block,
      rows: 3,
      run: 3 * inputs,
      tapRow: paddedWidth * inputs,
      input: imageStrides(paddedHeight, paddedWidth, inputs),
      output: imageStrides(height, width, channels),
    };
    const x = numbers(batch * paddedHeight * paddedWidth * inputs, 1);
    const filter = numbers(Math.ceil(channels / block) * block * 9 * inputs, 2);
    const expected = new Float32Array(batch * height * width * channels);
    for (let b = 0; b < batch; b++)
      for (let y = 0; y < height; y++)
        for (let column = 0; column < width; column++)
          for (let k = 0; k < channels; k++) {
            let total = 0;
            for (let r = 0; r < 3; r++)
              for (let i = 0; i < 3 * inputs; i++) {
                const at = ((b * paddedHeight + y + r) * paddedWidth + column) * inputs + i;
                total += x[at]! * filter[((Math.floor(k / block) * 3 + r) * 3 * inputs + i) * block + (k % block)]!;
              }
            expected[((b * height + y) * width + column) * channels + k] = total;
          }
    expect(await execute(generateConv(kernel, PLACES, tile), [x, filter], expected.length)).toEqual(expected);
  });

  test.skipIf(tile.rows % 4 !== 0).each(CHANNELS.slice((i + 1) % 2, ((i + 1) % 2) + 1))(
    "filter gradient of $inputs channels by $channels",
    async ({ inputs, channels }) => {
      const { batch, height, width } = CONVOLUTION;
      const [paddedHeight, paddedWidth] = [height + 2, width + 2];
      const chunks = 2;
      const kernel: FilterGradKernel = {
        kind: "filter-grad",
        ...CONVOLUTION,
        channels,
        rows: 3,
        run: 3 * inputs,
        tapRow: paddedWidth * inputs,
        input: imageStrides(paddedHeight, paddedWidth, inputs),
        cotangent: imageStrides(height, width, channels),
        chunks,
      };
      const x = numbers(batch * paddedHeight * paddedWidth * inputs, 3);
      const dy = numbers(batch * height * width * channels, 4);
      const expected = new Float32Array(chunks * 9 * inputs * channels);
      for (let b = 0; b < batch; b++)
        for (let r = 0; r < 3; r++)
          for (let i = 0; i < 3 * inputs; i++)
            for (let k = 0; k < channels; k++) {
              let total = 0;
              for (let y = 0; y < height; y++)
                for (let column = 0; column < width; column++)
                  total += x[((b * paddedHeight + y + r) * paddedWidth + column) * inputs + i]! * dy[((b * height + y) * width + column) * channels + k]!;
              expected[((b * 3 + r) * 3 * inputs + i) * channels + k] = total;
            }
      expect(await execute(generateFilterGrad(kernel, PLACES, tile), [x, dy], expected.length)).toEqual(expected);
    },
  );
});

/** Multiples of 1/8 as float16, exactly. */
function halves(x: Float32Array): Uint16Array {
  const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
  return Uint16Array.from(bits, (word) => (word === 0 ? 0 : ((word >>> 16) & 0x8000) | ((((word >>> 23) & 255) - 112) << 10) | ((word >>> 13) & 1023)));
}

test("operands and results in float16 are the same numbers", async () => {
  const kernel: ConvKernel = {
    kind: "conv",
    batch: 1,
    height: 3,
    width: 5,
    channels: 8,
    block: 8,
    rows: 2,
    run: 8,
    tapRow: 20,
    input: imageStrides(4, 5, 4),
    output: imageStrides(3, 5, 8),
  };
  const [x, filter] = [numbers(84, 6), numbers(128, 7)];
  const expected = await execute(generateConv(kernel, PLACES), [x, filter], 120);
  const stored = PLACES.map((place, i) => ({ ...place, half: i < 2 }));
  expect(await execute(generateConv(kernel, stored), [halves(x), halves(filter)], 120)).toEqual(expected);
  const packed = await execute(
    generateConv(
      kernel,
      stored.map((place) => ({ ...place, half: true })),
    ),
    [halves(x), halves(filter)],
    60,
  );
  expect(new Uint16Array(packed.buffer)).toEqual(halves(expected));
});
