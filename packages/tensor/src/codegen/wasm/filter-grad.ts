/** @file Code for the gradient of a window contraction with respect to its filter (and for Aᵀ·B): register tiles of window
 * positions × channels, summed over pixels. */
import { invariant } from "../../base/errors.ts";
import { channelBlock, type FilterGradKernel, windowSize } from "../../ir/kernel.ts";
import { LONGEST_REDUCTION, sumBlock } from "../../ir/sums.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { type KernelCode, type ModuleContext, SCRATCH } from "./kernel-code.ts";
import { type LaneGroup, laneGroups, MicroKernel, tileRows } from "./micro-kernel.ts";
import { I32, OP } from "./opcodes.ts";
import { emitPassOrigin, passLoops, splitPasses } from "./passes.ts";
import { emitRange, evenPart, type PixelDimension, pixelDimensions } from "./pixels.ts";

/** Pixels summed in registers before the sums go to memory; their operands should stay in cache. */
const PASS_PIXELS = 64;
/** The same where pixels are a multiple of this many bytes apart: all of them share one set of the first-level cache, which has
 * eight ways or more. */
const SET_STRIDE = 4096;
const PASS_PIXELS_OF_A_SET = 8;
/** Window positions and channels of a task; fewer mean that operands are read more often, more that they leave the cache. */
const TASK_POSITIONS = { least: 16, most: 128 };
const TASK_CHANNELS = { least: 32, most: 128 };
/** Multiply-adds of a task, about 150 µs; less where a kernel would have too few tasks to share out. */
const TASK_WORK = 4e6;
const MINIMUM_TASK_WORK = 3e5;
const WANTED_TASKS = 16;

/** How the channels are cut into register tiles. */
interface ChannelTiles {
  /** Vectors of a whole tile. */
  readonly vectors: number;
  readonly tiles: number;
  /** The last tile, if it is not whole: its first channel and its vectors. */
  readonly last?: { readonly channel: number; readonly lanes: readonly LaneGroup[] };
}

/** Generates the function of a filter gradient. Buffers: input, cotangent, output. Each task owns a rectangle of one chunk's and
 * filter row's sums and goes through the chunk's pixels pass by pass. A pass is a function of its own, so that the engine can replace it
 * by optimised code while a long task runs. */
export function emitFilterGrad(kernel: FilterGradKernel, module: ModuleContext): KernelCode {
  const { tasks, entry, passes } = emitPasses(kernel, module);
  return { tasks, entry: module.add(emitEntry(entry, passes)) };
}

/** A filter gradient of few pixels that can go on where another one stopped: the function's second parameter, after the task, is 0 for the first
 * one and more for those that add to what is there. */
export function emitFilterGradPass(kernel: FilterGradKernel, module: ModuleContext): KernelCode {
  const { tasks, entry, passes } = emitPasses(kernel, module, true);
  invariant(passes === 1, "a filter gradient to go on with has more than one pass");
  return { tasks, entry };
}

/** The function of one pass: task, pass, then the buffers. */
function emitPasses(kernel: FilterGradKernel, module: ModuleContext, goesOn = false): KernelCode & { readonly passes: number } {
  const { channels, run, rows, columns, groups, chunks } = kernel;
  const images = kernel.batch / chunks;
  const pixels = pixelDimensions([images, kernel.height, kernel.width], kernel.input, kernel.cotangent);
  const passes = splitPasses(pixels, passPixels(pixels));
  const channelTiles = tileChannels(channels, module.wide);
  const side = evenPart(run, tileRows(channelTiles.vectors, module.wide));
  const positionTiles = Math.ceil(run / side);
  const tilesPerTask = splitTasks(kernel, side, positionTiles, channelTiles);
  const positionGroups = Math.ceil(positionTiles / tilesPerTask.positions);
  const channelGroups = Math.ceil(channelTiles.tiles / tilesPerTask.channels);

  const f = new FunctionBuilder([I32, I32, I32, I32, I32]);
  const [task, pass, input, cotangent, output] = [0, 1, 2, 3, 4];
  const [position, positionEnd, channel, channelEnd] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  const [windows, gradients, sums, count] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  const [from, vector, to] = [f.local(I32), f.local(I32), f.local(I32)];
  const slice = f.local(I32);
  // So many passes that their sums are added up in groups, too; a group's sums are laid out like the output's rows from the task's first one on.
  const group = passes.count > LONGEST_REDUCTION ? sumBlock(passes.count) : passes.count;
  const groupSums = group < passes.count ? module.scratch(4 * tilesPerTask.positions * side * channels) : 0;
  const [firstPosition, groupTo] = group < passes.count ? [f.local(I32), f.local(I32)] : [0, 0];
  const micro = new MicroKernel(f, module.relaxed);
  const loops = passLoops(passes, count);

  // slice = ((chunk·groups + group)·rows + filter row)·columns + filter column
  const parts = [
    ...(groups ? [groups] : []),
    { count: rows, input: kernel.tapRow, cotangent: 0 },
    ...(columns ? [{ count: columns.count, input: columns.step, cotangent: 0 }] : []),
  ];
  const slices = parts.reduce((product, { count }) => product * count, 1);
  f.get(task)
    .i32(positionGroups * channelGroups)
    .op(OP.i32_div_u)
    .set(slice);
  const pushPlace = (buffer: number, which: "input" | "cotangent"): void => {
    f.get(buffer)
      .i32(4 * kernel[which].offset)
      .op(OP.i32_add);
    let inner = slices;
    for (const part of parts) {
      inner /= part.count;
      if (which === "cotangent" && part.cotangent === 0) continue;
      f.get(slice);
      if (inner > 1) f.i32(inner).op(OP.i32_div_u);
      f.i32(part.count)
        .op(OP.i32_rem_u)
        .i32(4 * part[which])
        .op(OP.i32_mul, OP.i32_add);
    }
    f.get(slice)
      .i32(slices)
      .op(OP.i32_div_u)
      .i32(4 * images * kernel[which].image)
      .op(OP.i32_mul, OP.i32_add);
  };
  pushPlace(input, "input");
  f.set(windows);
  pushPlace(cotangent, "cotangent");
  f.set(gradients);
  f.get(output)
    .get(slice)
    .i32(4 * run * channels)
    .op(OP.i32_mul, OP.i32_add)
    .set(sums);
  emitPassOrigin(f, passes, pass, windows, gradients, count);

  const emitTile = (tileRows: number, firstChannel: () => void, lanes: readonly LaneGroup[]): void => {
    const rowOffsets = Array.from({ length: tileRows }, (_, row) => 4 * channels * row);
    const tile = { scalars: Array.from({ length: tileRows }, (_, row) => 4 * row), lanes };
    f.get(windows)
      .get(position)
      .i32(4 * side)
      .op(OP.i32_mul, OP.i32_add)
      .set(from);
    f.get(gradients);
    firstChannel();
    f.op(OP.i32_add).set(vector);
    f.get(sums)
      .get(position)
      .i32(4 * side * channels)
      .op(OP.i32_mul, OP.i32_add);
    firstChannel();
    f.op(OP.i32_add).set(to);
    micro.accumulate(tile, from, vector, loops);
    if (group < passes.count) {
      f.get(position)
        .get(firstPosition)
        .op(OP.i32_sub)
        .i32(4 * side * channels)
        .op(OP.i32_mul)
        .globalGet(SCRATCH)
        .op(OP.i32_add)
        .i32(groupSums)
        .op(OP.i32_add);
      firstChannel();
      f.op(OP.i32_add).set(groupTo);
      f.get(pass)
        .i32(group)
        .op(OP.i32_rem_u)
        .if(() => micro.addStored(tile, groupTo, rowOffsets));
      const isLast = (): void => {
        f.get(pass).i32(1).op(OP.i32_add).i32(group).op(OP.i32_rem_u, OP.i32_eqz);
        f.get(pass)
          .i32(passes.count - 1)
          .op(OP.i32_eq, OP.i32_or);
      };
      isLast();
      f.if(
        () => {
          f.get(pass)
            .i32(group)
            .op(OP.i32_ge_u)
            .if(() => micro.addStored(tile, to, rowOffsets));
          micro.store(tile, to, rowOffsets);
        },
        () => micro.store(tile, groupTo, rowOffsets),
      );
      return;
    }
    if (passes.count > 1 || goesOn) f.get(pass).if(() => micro.addStored(tile, to, rowOffsets));
    micro.store(tile, to, rowOffsets);
  };
  const forPositions = (firstChannel: () => void, lanes: readonly LaneGroup[]): void => {
    f.get(task).i32(channelGroups).op(OP.i32_div_u).i32(positionGroups).op(OP.i32_rem_u);
    if (group < passes.count) f.tee(firstPosition).get(firstPosition).i32(tilesPerTask.positions).op(OP.i32_mul).set(firstPosition);
    emitRange(f, position, positionEnd, tilesPerTask.positions, positionTiles, () => {
      const rest = run % side;
      const whole = (): void => emitTile(side, firstChannel, lanes);
      if (rest === 0) whole();
      else
        f.get(position)
          .i32(positionTiles - 1)
          .op(OP.i32_eq)
          .if(() => emitTile(rest, firstChannel, lanes), whole);
    });
  };
  f.get(task).i32(channelGroups).op(OP.i32_rem_u);
  emitRange(f, channel, channelEnd, tilesPerTask.channels, channelTiles.tiles, () => {
    const { vectors, last } = channelTiles;
    const whole = (): void =>
      forPositions(
        () =>
          f
            .get(channel)
            .i32(16 * vectors)
            .op(OP.i32_mul),
        laneGroups(4 * vectors),
      );
    const rest = (): void => forPositions(() => f.i32(4 * (last?.channel ?? 0)), last?.lanes ?? []);
    if (!last) whole();
    else if (channelTiles.tiles === 1) rest();
    else
      f.get(channel)
        .i32(channelTiles.tiles - 1)
        .op(OP.i32_eq)
        .if(rest, whole);
  });
  return { tasks: chunks * slices * positionGroups * channelGroups, entry: module.add(f), passes: passes.count };
}

/** Pixels of a pass. */
function passPixels(pixels: readonly PixelDimension[]): number {
  const innermost = pixels.at(-1);
  const crowded = [innermost?.first, innermost?.second].some((stride) => stride && stride % SET_STRIDE === 0);
  return crowded ? PASS_PIXELS_OF_A_SET : PASS_PIXELS;
}

/** The entry: all passes of a task, in order. */
function emitEntry(passFunction: number, passes: number): FunctionBuilder {
  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const pass = f.local(I32);
  f.countedLoop(pass, 0, passes, 1, () => {
    f.get(0).get(pass).get(1).get(2).get(3).call(passFunction);
  });
  return f;
}

/** Prefers two vectors unless one, with its taller tiles, wastes less. Loads never pass the last channel: a last vector that
 * would is moved back where there are four channels, and is loaded lane by lane where there are not. */
function tileChannels(channels: number, wide: boolean): ChannelTiles {
  const vectors = wide && channels % 16 === 0 ? 4 : channelBlock(channels) / 4;
  const tiles = Math.ceil(channels / (4 * vectors));
  const rest = channels % (4 * vectors);
  if (rest === 0) return { vectors, tiles };
  if (channels < 4) {
    const lanes = [{ channel: 0, first: 0, end: channels, partial: true }];
    return { vectors, tiles, last: { channel: 0, lanes } };
  }
  if (rest < 4) {
    const lanes = [{ channel: 0, first: 4 - rest, end: 4, partial: false }];
    return { vectors, tiles, last: { channel: channels - 4, lanes } };
  }
  const lanes = laneGroups(4);
  // Where the two vectors overlap they hold the same sums.
  if (rest > 4) lanes.push({ channel: rest - 4, first: 0, end: 4, partial: false });
  return { vectors, tiles, last: { channel: channels - rest, lanes } };
}

/** Tiles per task in both directions. */
interface TaskTiles {
  readonly positions: number;
  readonly channels: number;
}

function splitTasks(kernel: FilterGradKernel, side: number, positionTiles: number, channelTiles: ChannelTiles): TaskTiles {
  const pixels = (kernel.batch / kernel.chunks) * kernel.height * kernel.width;
  const total = pixels * kernel.chunks * (kernel.groups?.count ?? 1) * windowSize(kernel) * kernel.channels;
  const wanted = Math.min(TASK_WORK, Math.max(MINIMUM_TASK_WORK, total / WANTED_TASKS));
  const width = 4 * channelTiles.vectors;
  const limit = clamp(wanted / (pixels * TASK_POSITIONS.least), TASK_CHANNELS);
  const channels = evenPart(channelTiles.tiles, Math.ceil(limit / width));
  const positions = clamp(wanted / (pixels * channels * width), TASK_POSITIONS);
  return { positions: evenPart(positionTiles, Math.max(1, Math.round(positions / side))), channels };
}

function clamp(x: number, range: { readonly least: number; readonly most: number }): number {
  return Math.min(range.most, Math.max(range.least, x));
}
