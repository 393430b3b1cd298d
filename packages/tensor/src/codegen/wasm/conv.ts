/** @file Code for window contractions (convolution, input gradient, matrix product): register tiles of pixels × channels. */
import { type ConvKernel, windowSize } from "../../ir/kernel.ts";
import { LONGEST_CONTRACTION, sumBlock } from "../../ir/sums.ts";
import { FunctionBuilder } from "./function-builder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { type LaneGroup, laneGroups, MicroKernel, type ReductionLoop, type RegisterTile, tileRows } from "./micro-kernel.ts";
import { I32, OP } from "./opcodes.ts";
import { emitPassOrigin, passLoops, splitPasses } from "./passes.ts";
import { emitRange, evenPart, type PixelDimension, pixelDimensions } from "./pixels.ts";

/** Pixels that pass over a filter block together: enough to reuse the block, few enough for their windows to stay in cache. */
const GROUP_PIXELS = 64;
/** Multiply-adds of a task, about 100 µs; less where a kernel would have too few tasks to share out. */
const TASK_WORK = 3e6;
const MINIMUM_TASK_WORK = 3e5;
const WANTED_TASKS = 16;
/** Bytes of a task's filter blocks that surely stay in the first-level cache. */
const RESIDENT_FILTER = 24 << 10;

/** One dimension of the output pixels, cut into the sides of register tiles. `first` strides are the input's, `second` the output's. */
interface TiledDimension extends PixelDimension {
  readonly side: number;
  readonly tiles: number;
}

/** Generates the function of a window contraction. Buffers: input, packed filter, output.
 * Where tiles do not divide a dimension the last tile overlaps the one before it and computes the same bits again. */
export function emitConv(kernel: ConvKernel, module: ModuleContext): KernelCode {
  if (kernel.groups) return emitConvPerGroup(kernel, kernel.groups, module);
  const { block, channels, rows, columns, run } = kernel;
  const pixels = pixelDimensions([kernel.batch, kernel.height, kernel.width], kernel.input, kernel.output);
  const dimensions = tileDimensions(pixels, tileRows(block / 4, module.wide));
  const offsets = tileOffsets(dimensions);
  const scalars = offsets.map((offset) => offset.first);
  const rowOffsets = offsets.map((offset) => offset.second);
  const tiles = dimensions.reduce((product, d) => product * d.tiles, 1);
  const blocks = Math.ceil(channels / block);
  const split = splitTasks(tiles, blocks, offsets.length, block * windowSize(kernel));
  const blockBytes = 4 * windowSize(kernel) * block;
  const window: PixelDimension[] = [{ extent: run, first: 4, second: 4 * block }];
  if (columns && columns.count > 1) window.unshift({ extent: columns.count, first: 4 * columns.step, second: 4 * block * run });
  if (rows > 1) window.unshift({ extent: rows, first: 4 * kernel.tapRow, second: 4 * block * run * (columns?.count ?? 1) });

  const loops = window.map((d): ReductionLoop => ({ count: d.extent, scalarStep: d.first, vectorStep: d.second }));

  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [task, input, filter, output] = [0, 1, 2, 3];
  const [tile, tileEnd, index, indexEnd] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  const [from, weights, to] = [f.local(I32), f.local(I32), f.local(I32)];
  const micro = new MicroKernel(f, module.relaxed);

  const emitTile = (lanes: readonly LaneGroup[]): void => {
    if (windowSize(kernel) > LONGEST_CONTRACTION) emitLongSum(f, micro, { scalars, lanes }, from, weights, window);
    else micro.accumulate({ scalars, lanes }, from, weights, loops);
    micro.store({ scalars, lanes }, to, rowOffsets);
  };
  const emitAddresses = (): void => {
    f.get(input)
      .i32(4 * kernel.input.offset)
      .op(OP.i32_add)
      .set(from);
    f.get(index).i32(blockBytes).op(OP.i32_mul).get(filter).op(OP.i32_add).set(weights);
    f.get(index)
      .i32(4 * block)
      .op(OP.i32_mul)
      .get(output)
      .op(OP.i32_add)
      .i32(4 * kernel.output.offset)
      .op(OP.i32_add)
      .set(to);
    emitTileOrigin(f, dimensions, tile, from, to);
  };
  const forTiles = (body: () => void): void => {
    f.get(task).i32(split.tileGroups).op(OP.i32_rem_u);
    emitRange(f, tile, tileEnd, split.tilesPerGroup, tiles, body);
  };
  const forBlocks = (body: () => void): void => {
    f.get(task).i32(split.tileGroups).op(OP.i32_div_u);
    emitRange(f, index, indexEnd, split.blocksPerGroup, blocks, body);
  };
  const body = (): void => {
    emitAddresses();
    const rest = channels % block;
    if (rest === 0 || blocks === 1) emitTile(laneGroups(rest || block));
    else
      f.get(index)
        .i32(blocks - 1)
        .op(OP.i32_eq)
        .if(
          () => emitTile(laneGroups(rest)),
          () => emitTile(laneGroups(block)),
        );
  };
  // A filter that stays in the first-level cache is best swept for each tile, so that pixels are written as a whole.
  if (split.blocksPerGroup * blockBytes <= RESIDENT_FILTER) forTiles(() => forBlocks(body));
  else forBlocks(() => forTiles(body));
  return { tasks: split.tileGroups * Math.ceil(blocks / split.blocksPerGroup), entry: module.add(f) };
}

/** Sums over a long window pass by pass; the sum is left in the accumulators. */
function emitLongSum(f: FunctionBuilder, micro: MicroKernel, tile: RegisterTile, from: number, weights: number, window: readonly PixelDimension[]): void {
  const passes = splitPasses(window, sumBlock(window.reduce((product, d) => product * d.extent, 1)));
  const [pass, count, scalar, vector] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  micro.zeroTotals(tile);
  f.countedLoop(pass, 0, passes.count, 1, () => {
    f.get(from).set(scalar).get(weights).set(vector);
    emitPassOrigin(f, passes, pass, scalar, vector, count);
    micro.accumulate(tile, scalar, vector, passLoops(passes, count));
    micro.addToTotals(tile);
  });
  micro.takeTotals(tile);
}

/** Groups with a filter each: the code for one of them, called with each one's addresses. */
function emitConvPerGroup({ groups: _, ...kernel }: ConvKernel, groups: NonNullable<ConvKernel["groups"]>, module: ModuleContext): KernelCode {
  const one = emitConv(kernel, module);
  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const group = f.local(I32);
  f.get(0).i32(one.tasks).op(OP.i32_div_u).set(group);
  f.get(0).i32(one.tasks).op(OP.i32_rem_u);
  [groups.input, groups.filter, groups.output].forEach((stride, i) => {
    f.get(i + 1)
      .get(group)
      .i32(4 * stride)
      .op(OP.i32_mul, OP.i32_add);
  });
  f.call(one.entry);
  return { tasks: groups.count * one.tasks, entry: module.add(f) };
}

/** Adds the byte offsets of a tile's first pixel to the two addresses. */
function emitTileOrigin(f: FunctionBuilder, dimensions: readonly TiledDimension[], tile: number, from: number, to: number): void {
  const rest = f.local(I32);
  const start = f.local(I32);
  f.get(tile).set(rest);
  for (const [i, d] of dimensions.toReversed().entries()) {
    const outermost = i === dimensions.length - 1;
    f.get(rest);
    if (!outermost) f.i32(d.tiles).op(OP.i32_rem_u);
    f.i32(d.side).op(OP.i32_mul).set(start);
    const last = d.extent - d.side;
    if (last % d.side !== 0) f.get(start).i32(last).get(start).i32(last).op(OP.i32_lt_s, OP.select).set(start);
    f.get(from).get(start).i32(d.first).op(OP.i32_mul, OP.i32_add).set(from);
    f.get(to).get(start).i32(d.second).op(OP.i32_mul, OP.i32_add).set(to);
    if (!outermost) f.get(rest).i32(d.tiles).op(OP.i32_div_u).set(rest);
  }
}

/** Fills a register tile from the innermost dimension outwards. */
function tileDimensions(dimensions: readonly PixelDimension[], pixels: number): TiledDimension[] {
  let left = pixels;
  return dimensions
    .toReversed()
    .map((d) => {
      const side = evenPart(d.extent, left);
      left = side === d.extent ? Math.max(1, Math.floor(left / side)) : 1;
      return { ...d, side, tiles: Math.ceil(d.extent / side) };
    })
    .toReversed();
}

/** Byte offsets of a tile's pixels from its first, in both buffers. */
function tileOffsets(dimensions: readonly TiledDimension[]): { first: number; second: number }[] {
  let offsets = [{ first: 0, second: 0 }];
  for (const d of dimensions) {
    offsets = offsets.flatMap((o) => Array.from({ length: d.side }, (_, i) => ({ first: o.first + i * d.first, second: o.second + i * d.second })));
  }
  return offsets;
}

interface TaskSplit {
  readonly tileGroups: number;
  readonly tilesPerGroup: number;
  readonly blocksPerGroup: number;
}

/** Cuts tiles × channel blocks into tasks; `pixelWork` is the multiply-adds of one pixel and block. */
function splitTasks(tiles: number, blocks: number, tilePixels: number, pixelWork: number): TaskSplit {
  const tileWork = tilePixels * pixelWork;
  const wanted = Math.min(TASK_WORK, Math.max(MINIMUM_TASK_WORK, (tiles * blocks * tileWork) / WANTED_TASKS));
  const group = Math.min(tiles, Math.ceil(GROUP_PIXELS / tilePixels));
  const blocksPerGroup = evenPart(blocks, Math.max(1, Math.round(wanted / (group * tileWork))));
  // Short of blocks or of work for them, the number of tiles makes up for it.
  const tilesWanted = Math.max(1, Math.round(wanted / (blocksPerGroup * tileWork)));
  const tilesPerGroup = evenPart(tiles, blocksPerGroup === blocks || tilesWanted < group ? tilesWanted : group);
  return { tileGroups: Math.ceil(tiles / tilesPerGroup), tilesPerGroup, blocksPerGroup };
}
