/** @file Plans of window contractions (convolution, input gradient, matrix product): register tiles of pixels × channels. */
import { type ConvKernel, windowSize } from "../../ir/kernel.ts";
import { LONGEST_CONTRACTION, sumBlock } from "../../ir/sums.ts";
import { type LaneGroup, laneGroups } from "./lanes.ts";
import { add, div, eq, min, mul, type ReductionLoop, type RegisterTile, rem, type Steps, type Variable } from "./language.ts";
import type { Machine } from "./machine.ts";
import { passLoops, splitPasses, startPass } from "./passes.ts";
import { evenPart, type PixelDimension, pixelDimensions } from "./pixels.ts";
import type { Planner, Tasks } from "./planner.ts";

/** Pixels that pass over a filter block together: enough to reuse the block, few enough for their windows to stay in cache. */
const GROUP_PIXELS = 64;
/** Multiply-adds of a task, about 100 µs; less where a kernel would have too few tasks to share out. */
const TASK_WORK = 3e6;
const MINIMUM_TASK_WORK = 3e5;
const WANTED_TASKS = 16;
/** Bytes of a filter block that is fetched while the one before it is used; a larger one would drive that out of the first-level cache. */
const FETCHED_FILTER = 16 << 10;
/** Bytes of a task's filter blocks that surely stay in the first-level cache. */
const RESIDENT_FILTER = 24 << 10;

/** One dimension of the output pixels, cut into the sides of register tiles. `first` strides are the input's, `second` the output's. */
interface TiledDimension extends PixelDimension {
  readonly side: number;
  readonly tiles: number;
}

/** A window contraction. Buffers: input, packed filter, output.
 * Where tiles do not divide a dimension the last tile overlaps the one before it and computes the same bits again. */
export function planConv(kernel: ConvKernel, planner: Planner): Tasks {
  if (kernel.groups) return planConvPerGroup(kernel, kernel.groups, planner);
  const { block, channels, rows, columns, run } = kernel;
  const pixels = pixelDimensions([kernel.batch, kernel.height, kernel.width], kernel.input, kernel.output);
  const dimensions = tileDimensions(pixels, planner.machine.tileRows(laneGroups(block)), planner.machine);
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

  const routine = planner.add("conv", ["task", "input", "filter", "output"], (steps, task, input, filter, output) => {
    const [tile, tileEnd, index, indexEnd] = steps.variables("tile", "tileEnd", "block", "blockEnd");
    const [from, weights, to] = steps.variables("from", "weights", "to");

    const multiply = (at: Steps, lanes: readonly LaneGroup[]): void => {
      if (windowSize(kernel) > LONGEST_CONTRACTION) longSum(at, { scalars, lanes }, from, weights, window);
      else at.accumulate({ scalars, lanes }, from, weights, loops, blockBytes <= FETCHED_FILTER ? blockBytes : 0);
      at.store({ scalars, lanes }, to, rowOffsets);
    };
    const forTiles = (at: Steps, body: (steps: Steps) => void): Steps => at.range(tile, tileEnd, rem(task, split.tileGroups), split.tilesPerGroup, tiles, body);
    const forBlocks = (at: Steps, body: (steps: Steps) => void): Steps =>
      at.range(index, indexEnd, div(task, split.tileGroups), split.blocksPerGroup, blocks, body);
    const body = (at: Steps): void => {
      at.set(from, add(input, 4 * kernel.input.offset));
      at.set(weights, add(mul(index, blockBytes), filter));
      at.set(to, add(mul(index, 4 * block), output, 4 * kernel.output.offset));
      startTile(at, dimensions, tile, from, to);
      const rest = channels % block;
      if (rest === 0 || blocks === 1) multiply(at, laneGroups(rest || block));
      else
        at.if(
          eq(index, blocks - 1),
          (last) => multiply(last, laneGroups(rest)),
          (whole) => multiply(whole, laneGroups(block)),
        );
    };
    // A filter that stays in the first-level cache is best swept for each tile, so that pixels are written as a whole.
    if (split.blocksPerGroup * blockBytes <= RESIDENT_FILTER) forTiles(steps, (at) => forBlocks(at, body));
    else forBlocks(steps, (at) => forTiles(at, body));
  });
  return { tasks: split.tileGroups * Math.ceil(blocks / split.blocksPerGroup), routine };
}

/** Sums over a long window pass by pass; the sum is left in the accumulators. */
function longSum(steps: Steps, tile: RegisterTile, from: Variable, weights: Variable, window: readonly PixelDimension[]): void {
  const passes = splitPasses(window, sumBlock(window.reduce((product, d) => product * d.extent, 1)));
  const [pass, count, scalar, vector] = steps.variables("pass", "count", "scalar", "vector");
  steps.totals("zero", tile).count(pass, passes.count, (at) => {
    at.set(scalar, from).set(vector, weights);
    startPass(at, passes, pass, scalar, vector, count);
    at.accumulate(tile, scalar, vector, passLoops(passes, count)).totals("add", tile);
  });
  steps.totals("take", tile);
}

/** Groups with a filter each: the routine for one of them, called with each one's addresses. */
function planConvPerGroup({ groups: _, ...kernel }: ConvKernel, groups: NonNullable<ConvKernel["groups"]>, planner: Planner): Tasks {
  const one = planConv(kernel, planner);
  const routine = planner.add("conv per group", ["task", "input", "filter", "output"], (steps, task, input, filter, output) => {
    const [group] = steps.variables("group");
    steps.set(group, div(task, one.tasks));
    const place = (buffer: Variable, stride: number) => add(buffer, mul(group, 4 * stride));
    steps.call(one.routine, rem(task, one.tasks), place(input, groups.input), place(filter, groups.filter), place(output, groups.output));
  });
  return { tasks: groups.count * one.tasks, routine };
}

/** Adds the byte offsets of a tile's first pixel to the two addresses. */
function startTile(steps: Steps, dimensions: readonly TiledDimension[], tile: Variable, from: Variable, to: Variable): void {
  const [rest, start] = steps.variables("rest", "start");
  steps.set(rest, tile);
  for (const [i, d] of dimensions.toReversed().entries()) {
    const outermost = i === dimensions.length - 1;
    steps.set(start, mul(outermost ? rest : rem(rest, d.tiles), d.side));
    const last = d.extent - d.side;
    if (last % d.side !== 0) steps.set(start, min(start, last));
    steps.set(from, add(from, mul(start, d.first)));
    steps.set(to, add(to, mul(start, d.second)));
    if (!outermost) steps.set(rest, div(rest, d.tiles));
  }
}

/** Fills a register tile from the innermost dimension outwards. */
function tileDimensions(dimensions: readonly PixelDimension[], pixels: number, { tileSide }: Machine): TiledDimension[] {
  let left = pixels;
  return dimensions
    .toReversed()
    .map((d) => {
      const side = tileSide(d.extent, left);
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
