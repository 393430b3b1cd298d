/** @file Code for filter gradients of few channels on planar images: lanes are neighbouring pixels of a row. */
import type { PlanarFilterGradKernel } from "../../ir/kernel.ts";
import { planarDistances } from "../plan/planar.ts";
import { FunctionBuilder } from "./function-builder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { I32, OP, SIMD, V128 } from "./opcodes.ts";

/** Filter taps × channels of a register tile of the filter gradient. */
const TILE_TAPS = 4;
const TILE_CHANNELS = 2;

/** Generates the function of a planar filter gradient. A task is a chunk of images. For each image, register tiles of taps × channels
 * go over all pixels; their lanes are then added up and go to memory. */
export function emitPlanarFilterGrad(kernel: PlanarFilterGradKernel, module: ModuleContext): KernelCode {
  const { batch, height, channels, inputs, rows, columns, chunks } = kernel;
  const at = planarDistances(kernel);
  const taps: number[] = [];
  for (let c = 0; c < inputs; c++) for (let r = 0; r < rows; r++) for (let s = 0; s < columns; s++) taps.push(c * at.plane + r * at.row + 4 * s);
  const size = channels * taps.length;

  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [task, x, dy, out] = [0, 1, 2, 3];
  const [image, line] = [f.local(I32), f.local(I32)];
  const [from, cotangent, sums] = [f.local(I32), f.local(I32), f.local(I32)];
  const [pixel, gradient, gradientEnd] = [f.local(I32), f.local(I32), f.local(I32)];
  const vectors = (count: number): number[] => Array.from({ length: count }, () => f.local(V128));
  const [windows, gradients, accumulators] = [vectors(TILE_TAPS), vectors(TILE_CHANNELS), vectors(TILE_TAPS * TILE_CHANNELS)];

  const emitTile = (firstTap: number, firstChannel: number): void => {
    const tileTaps = taps.slice(firstTap, firstTap + TILE_TAPS);
    const tileChannels = Math.min(TILE_CHANNELS, channels - firstChannel);
    const accumulator = (i: number, k: number): number => accumulators[i * TILE_CHANNELS + k]!;
    const forTile = (visit: (sum: number, i: number, k: number) => void): void =>
      tileTaps.forEach((_, i) => {
        for (let k = 0; k < tileChannels; k++) visit(accumulator(i, k), i, k);
      });
    forTile((sum) => f.v128(0).set(sum));
    f.get(from).set(pixel).get(cotangent).set(gradient);
    f.countedLoop(line, 0, height, 1, () => {
      f.get(gradient).i32(at.outRow).op(OP.i32_add).set(gradientEnd);
      f.loop(() => {
        for (let k = 0; k < tileChannels; k++)
          f.get(gradient)
            .v128Load((firstChannel + k) * at.outPlane)
            .set(gradients[k]!);
        tileTaps.forEach((offset, i) => {
          f.get(pixel).v128Load(offset).set(windows[i]!);
        });
        forTile((sum, i, k) => {
          if (module.relaxed) f.get(windows[i]!).get(gradients[k]!).get(sum).simd(SIMD.f32x4_relaxed_madd);
          else f.get(sum).get(windows[i]!).get(gradients[k]!).simd(SIMD.f32x4_mul).simd(SIMD.f32x4_add);
          f.set(sum);
        });
        f.get(pixel).i32(16).op(OP.i32_add).set(pixel);
        f.get(gradient).i32(16).op(OP.i32_add).tee(gradient).get(gradientEnd).op(OP.i32_lt_u).branchIf(0);
      });
      f.get(pixel)
        .i32(4 * (columns - 1))
        .op(OP.i32_add)
        .set(pixel);
    });
    forTile((sum, i, k) => {
      const place = 4 * ((firstChannel + k) * taps.length + firstTap + i);
      f.get(sums).get(sums).f32Load(place);
      for (let lane = 0; lane < 4; lane++) {
        f.get(sum).extractLaneF32(lane);
        if (lane > 0) f.op(OP.f32_add);
      }
      f.op(OP.f32_add).f32Store(place);
    });
  };

  const perChunk = batch / chunks;
  const origin = (base: number, bytes: number, local: number): void => {
    f.get(base).get(task).i32(bytes).op(OP.i32_mul, OP.i32_add).set(local);
  };
  origin(x, perChunk * at.image, from);
  origin(dy, perChunk * at.outImage, cotangent);
  origin(out, 4 * size, sums);
  for (let i = 0; i < size; i++)
    f.get(sums)
      .f32(0)
      .f32Store(4 * i);
  f.countedLoop(image, 0, perChunk, 1, () => {
    for (let tap = 0; tap < taps.length; tap += TILE_TAPS) for (let k = 0; k < channels; k += TILE_CHANNELS) emitTile(tap, k);
    f.get(from).i32(at.image).op(OP.i32_add).set(from);
    f.get(cotangent).i32(at.outImage).op(OP.i32_add).set(cotangent);
  });
  return { tasks: chunks, entry: module.add(f) };
}
