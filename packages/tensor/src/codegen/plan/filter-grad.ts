/** @file Plans of the gradient of a window contraction with respect to its filter (and of Aᵀ·B): register tiles of window positions × channels,
 * summed over pixels. */
import { invariant } from "../../base/errors.ts";
import { channelBlock, type FilterGradKernel, windowSize } from "../../ir/kernel.ts";
import { LONGEST_REDUCTION, sumBlock } from "../../ir/sums.ts";
import { type LaneGroup, laneGroups } from "./lanes.ts";
import { add, div, eq, isZero, mul, or, type Routine, reaches, rem, SCRATCH_ADDRESS, type Steps, sub, type Value } from "./language.ts";
import { passLoops, splitPasses, startPass } from "./passes.ts";
import { evenPart, type PixelDimension, pixelDimensions } from "./pixels.ts";
import type { Planner, Tasks } from "./planner.ts";

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

/** A filter gradient. Buffers: input, cotangent, output. Each task owns a rectangle of one chunk's and filter row's sums and goes through the
 * chunk's pixels pass by pass. A pass is a routine of its own, so that an engine can replace it by optimised code while a long task runs. */
export function planFilterGrad(kernel: FilterGradKernel, planner: Planner): Tasks {
  const { tasks, routine: one, passes } = planPasses(kernel, planner);
  const routine = planner.add("filter-grad", ["task", "input", "cotangent", "output"], (steps, task, ...buffers) => {
    const [pass] = steps.variables("pass");
    steps.count(pass, passes, (at) => at.call(one, task, pass, ...buffers));
  });
  return { tasks, routine };
}

/** A filter gradient of few pixels that can go on where another one stopped: the routine's second parameter, after the task, is 0 for the first
 * one and more for those that add to what is there. */
export function planFilterGradPass(kernel: FilterGradKernel, planner: Planner): Tasks {
  const { passes, ...tasks } = planPasses(kernel, planner, true);
  invariant(passes === 1, "a filter gradient to go on with has more than one pass");
  return tasks;
}

/** The routine of one pass: task, pass, then the buffers. */
function planPasses(kernel: FilterGradKernel, planner: Planner, goesOn = false): { tasks: number; routine: Routine; passes: number } {
  const { channels, run, rows, columns, groups, chunks } = kernel;
  const { machine } = planner;
  const images = kernel.batch / chunks;
  const pixels = pixelDimensions([images, kernel.height, kernel.width], kernel.input, kernel.cotangent);
  const passes = splitPasses(pixels, passPixels(pixels));
  const channelTiles = tileChannels(channels, machine.widest);
  const wholeLanes = laneGroups(4 * channelTiles.vectors);
  const side = evenPart(run, Math.min(...[wholeLanes, channelTiles.last?.lanes ?? wholeLanes].map(machine.tileRows)));
  const positionTiles = Math.ceil(run / side);
  const tilesPerTask = splitTasks(kernel, side, positionTiles, channelTiles);
  const positionGroups = Math.ceil(positionTiles / tilesPerTask.positions);
  const channelGroups = Math.ceil(channelTiles.tiles / tilesPerTask.channels);
  // So many passes that their sums are added up in groups, too; a group's sums are laid out like the output's rows from the task's first one on.
  const group = passes.count > LONGEST_REDUCTION ? sumBlock(passes.count) : passes.count;
  const groupSums = group < passes.count ? planner.scratch(4 * tilesPerTask.positions * side * channels) : 0;

  // slice = ((chunk·groups + group)·rows + filter row)·columns + filter column
  const parts = [
    ...(groups ? [groups] : []),
    { count: rows, input: kernel.tapRow, cotangent: 0 },
    ...(columns ? [{ count: columns.count, input: columns.step, cotangent: 0 }] : []),
  ];
  const slices = parts.reduce((product, { count }) => product * count, 1);

  const routine = planner.add("filter-grad pass", ["task", "pass", "input", "cotangent", "output"], (steps, task, pass, input, cotangent, output) => {
    const [position, positionEnd, channel, channelEnd] = steps.variables("position", "positionEnd", "channel", "channelEnd");
    const [windows, gradients, sums, count] = steps.variables("windows", "gradients", "sums", "count");
    const [from, vector, to] = steps.variables("from", "vector", "to");
    const [slice] = steps.variables("slice");
    const inGroups = group < passes.count ? steps.variables("firstPosition", "groupTo") : null;
    const loops = passLoops(passes, count);

    steps.set(slice, div(task, positionGroups * channelGroups));
    const place = (buffer: Value, which: "input" | "cotangent"): Value => {
      const terms: Value[] = [4 * kernel[which].offset];
      let inner = slices;
      for (const part of parts) {
        inner /= part.count;
        if (which === "cotangent" && part.cotangent === 0) continue;
        terms.push(mul(rem(inner > 1 ? div(slice, inner) : slice, part.count), 4 * part[which]));
      }
      return add(buffer, ...terms, mul(div(slice, slices), 4 * images * kernel[which].image));
    };
    steps.set(windows, place(input, "input"));
    steps.set(gradients, place(cotangent, "cotangent"));
    steps.set(sums, add(output, mul(slice, 4 * run * channels)));
    startPass(steps, passes, pass, windows, gradients, count);

    const multiply = (at: Steps, tileRows: number, firstChannel: Value, lanes: readonly LaneGroup[]): void => {
      const rowOffsets = Array.from({ length: tileRows }, (_, row) => 4 * channels * row);
      const tile = { scalars: Array.from({ length: tileRows }, (_, row) => 4 * row), lanes };
      at.set(from, add(windows, mul(position, 4 * side)));
      at.set(vector, add(gradients, firstChannel));
      at.set(to, add(sums, mul(position, 4 * side * channels), firstChannel));
      at.accumulate(tile, from, vector, loops);
      if (inGroups) {
        const [firstPosition, groupTo] = inGroups;
        at.set(groupTo, add(mul(sub(position, firstPosition), 4 * side * channels), SCRATCH_ADDRESS, groupSums, firstChannel));
        at.if(rem(pass, group), (added) => added.addStored(tile, groupTo, rowOffsets));
        const endsGroup = or(isZero(rem(add(pass, 1), group)), eq(pass, passes.count - 1));
        at.if(
          endsGroup,
          (last) => last.if(reaches(pass, group), (added) => added.addStored(tile, to, rowOffsets)).store(tile, to, rowOffsets),
          (other) => other.store(tile, groupTo, rowOffsets),
        );
        return;
      }
      if (passes.count > 1 || goesOn) at.if(pass, (added) => added.addStored(tile, to, rowOffsets));
      at.store(tile, to, rowOffsets);
    };
    const forPositions = (at: Steps, firstChannel: Value, lanes: readonly LaneGroup[]): void => {
      const part = rem(div(task, channelGroups), positionGroups);
      if (inGroups) at.set(inGroups[0], mul(part, tilesPerTask.positions));
      at.range(position, positionEnd, part, tilesPerTask.positions, positionTiles, (tile) => {
        const rest = run % side;
        const whole = (rows: Steps): void => multiply(rows, side, firstChannel, lanes);
        if (rest === 0) whole(tile);
        else tile.if(eq(position, positionTiles - 1), (last) => multiply(last, rest, firstChannel, lanes), whole);
      });
    };
    steps.range(channel, channelEnd, rem(task, channelGroups), tilesPerTask.channels, channelTiles.tiles, (at) => {
      const { vectors, last, tiles } = channelTiles;
      const whole = (tile: Steps): void => forPositions(tile, mul(channel, 16 * vectors), wholeLanes);
      const rest = (tile: Steps): void => forPositions(tile, 4 * (last?.channel ?? 0), last?.lanes ?? []);
      if (!last) whole(at);
      else if (tiles === 1) rest(at);
      else at.if(eq(channel, tiles - 1), rest, whole);
    });
  });
  return { tasks: chunks * slices * positionGroups * channelGroups, routine, passes: passes.count };
}

/** Pixels of a pass. */
function passPixels(pixels: readonly PixelDimension[]): number {
  const innermost = pixels.at(-1);
  const crowded = [innermost?.first, innermost?.second].some((stride) => stride && stride % SET_STRIDE === 0);
  return crowded ? PASS_PIXELS_OF_A_SET : PASS_PIXELS;
}

/** Prefers two vectors unless one, with its taller tiles, wastes less. Loads never pass the last channel: a last vector that
 * would is moved back where there are four channels, and is loaded lane by lane where there are not. */
function tileChannels(channels: number, widest: number): ChannelTiles {
  const vectors = widest > 1 && channels % 16 === 0 ? 4 : channelBlock(channels) / 4;
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
