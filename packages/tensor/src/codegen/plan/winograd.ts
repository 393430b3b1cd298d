/** @file Plans of Winograd's convolution and its filter gradient, all of it for a few tiles at a time: between the parts they stay in the core's
 * second-level cache, instead of going through memory. */
import { invariant } from "../../base/errors.ts";
import type { TileStrides, WinogradConvKernel, WinogradFilterGradKernel } from "../../ir/kernel.ts";
import type { LinearMap } from "../../ir/linear-map.ts";
import { GRADIENT_TILES, SKEW, TILE_BYTES, type Tiling, tileFilterGradients, tileProducts, tilesAtATime } from "../../ir/winograd.ts";
import { planConv } from "./conv.ts";
import { planFilterGradPass } from "./filter-grad.ts";
import { add, below, div, isZero, letBe, min, mul, rem, SCRATCH_ADDRESS, type Steps, sub, type Value, type Variable, variable } from "./language.ts";
import { evenPart } from "./pixels.ts";
import type { Planner, Tasks } from "./planner.ts";
import { planTileTransform } from "./tile-transform.ts";

/** Bytes of a cache line. */
const LINE = 64;
/** Lines that are fetched one after the other, at most. */
const FETCHED_LINES = 8;

/** A task is a run of tile rows, counted through all images. Where runs do not divide the rows, the last one overlaps the one before it
 * and computes the same bits again. Buffers: x, filter, y. */
export function planWinogradConv(kernel: WinogradConvKernel, planner: Planner): Tasks {
  const { images, tileRows, tileColumns, inputs, outputs, before, after } = kernel;
  const rows = images * tileRows;
  const run = evenPart(rows, Math.max(1, Math.floor(tilesAtATime(kernel) / tileColumns)));
  const tiles = new TileRun({ images, tileRows, tileColumns }, run, planner);
  const v = tiles.reserve("v", inputs, before.outputs);
  const m = tiles.reserve("m", outputs, before.outputs);
  const toTiles = tiles.forward(before, inputs, kernel.input, v);
  const fromTiles = tiles.backward(after, outputs, m, kernel.output);
  const [read, written] = [tiles.rows(kernel.input, before.inputs), tiles.rows(kernel.output, after.outputs)];
  const { fetches } = planner.machine;
  const product = tileProducts(kernel, run * tileColumns, { input: v.position, filter: kernel.filterPosition, output: m.position });
  const multiply = planConv(product, tiles.planner);
  const routine = planner.add("winograd-conv", ["task", "x", "filter", "y"], (steps, task, x, filter, y) => {
    tiles.open(steps, [v, m]);
    tiles.start(steps, mul(task, run));
    if (!fetches) read.touch(steps, x);
    toTiles(steps, x);
    // While products are done: the rows that the next task reads, and those that this one will write.
    const parts = fetches ? [read.fetch(steps, x, "next", multiply.tasks), written.fetch(steps, y, "same", multiply.tasks)] : [];
    tiles.each(steps, multiply.tasks, (at, step) => {
      for (const part of parts) part(at);
      at.call(multiply.routine, step, v.address, filter, m.address);
    });
    if (!fetches) written.touch(steps, y);
    fromTiles(steps, y);
  });
  return { tasks: Math.ceil(rows / run), routine };
}

/** A task is a chunk of the tile rows, run by run. Buffers: x, cotangent, output. */
export function planWinogradFilterGrad(kernel: WinogradFilterGradKernel, planner: Planner): Tasks {
  const { images, tileRows, tileColumns, inputs, outputs, before, beforeCotangent, chunks } = kernel;
  const positions = before.outputs ** 2;
  const rowsOfChunk = (images * tileRows) / chunks;
  const wanted = Math.min(GRADIENT_TILES, TILE_BYTES / (4 * positions * (inputs + outputs)));
  let run = Math.min(rowsOfChunk, Math.max(1, Math.floor(wanted / tileColumns)));
  while (rowsOfChunk % run !== 0) run--;
  const tiles = new TileRun({ images, tileRows, tileColumns }, run, planner);
  const v = tiles.reserve("v", inputs, before.outputs);
  const z = tiles.reserve("z", outputs, before.outputs);
  const toTiles = tiles.forward(before, inputs, kernel.input, v);
  const toGradientTiles = tiles.forward(beforeCotangent, outputs, kernel.cotangent, z);
  const [read, readCotangent] = [tiles.rows(kernel.input, before.inputs), tiles.rows(kernel.cotangent, beforeCotangent.inputs)];
  const { fetches } = planner.machine;
  const product = tileFilterGradients(kernel, run * tileColumns, { input: v.position, cotangent: z.position });
  const multiply = planFilterGradPass(product, tiles.planner);
  const routine = planner.add("winograd-filter-grad", ["task", "x", "cotangent", "output"], (steps, task, x, cotangent, output) => {
    tiles.open(steps, [v, z]);
    const [turn, sums] = steps.variables("turn", "sums");
    steps.set(sums, add(output, mul(task, 4 * positions * inputs * outputs)));
    steps.count(turn, rowsOfChunk / run, (at) => {
      tiles.start(at, add(mul(task, rowsOfChunk), mul(turn, run)));
      if (!fetches) {
        read.touch(at, x);
        toTiles(at, x);
        readCotangent.touch(at, cotangent);
        toGradientTiles(at, cotangent);
        tiles.each(at, multiply.tasks, (inner, step) => inner.call(multiply.routine, step, turn, v.address, z.address, sums));
        return;
      }
      at.if(isZero(turn), (first) => {
        read.touch(first, x);
        readCotangent.touch(first, cotangent);
      });
      toTiles(at, x);
      toGradientTiles(at, cotangent);
      // While products are done: the rows of the next turn.
      const parts = [read.fetch(at, x, "next", multiply.tasks), readCotangent.fetch(at, cotangent, "next", multiply.tasks)];
      tiles.each(at, multiply.tasks, (inner, step) => {
        for (const part of parts) part(inner);
        inner.call(multiply.routine, step, turn, v.address, z.address, sums);
      });
    });
  });
  return { tasks: chunks, routine };
}

/** Ways to have a run's rows of an image in the caches before they are needed. */
interface Rows {
  /** Reads them: a kernel that goes along many rows at once waits for most lines it comes to; in the order of their addresses the processor fetches
   * them at the memory's full speed. */
  readonly touch: (steps: Steps, address: Variable) => void;
  /** Steps that each fetch one of so many parts of them, for machines that need not wait: of this run's, or of the next one's. */
  readonly fetch: (steps: Steps, address: Variable, which: "same" | "next", parts: number) => (step: Steps) => void;
}

/** Where a run's transformed tiles are: for each position all tiles, for each tile all channels. */
interface Transformed {
  readonly address: Variable;
  /** Of the first byte, in scratch memory. */
  readonly offset: number;
  /** Elements from one position to the next. */
  readonly position: number;
  /** Strides of all the tiles there are, from a first one that lies before the run's. */
  readonly strides: TileStrides;
}

/** Steps for a run of tile rows: its first row is in a variable, its transformed tiles in scratch memory. */
class TileRun {
  /** For routines that are called while the tiles are in use. */
  planner: Planner;
  readonly #tiling: Tiling;
  readonly #run: number;
  readonly #first = variable("first");
  readonly #step = variable("step");
  readonly #at = variable("at");
  readonly #end = variable("end");

  constructor(tiling: Tiling, run: number, planner: Planner) {
    this.#tiling = tiling;
    this.#run = run;
    this.planner = planner;
    invariant(run <= tiling.images * tiling.tileRows, "a run is longer than there are rows");
  }

  /** Room for a run's transformed tiles, `side` by `side` positions. */
  reserve(name: string, channels: number, side: number): Transformed {
    const { tileRows, tileColumns } = this.#tiling;
    const position = this.#run * tileColumns * channels + SKEW;
    const bytes = 4 * side * side * position;
    const offset = this.planner.scratch(bytes);
    this.planner = this.planner.beyond(bytes);
    const strides = { image: tileRows * tileColumns * channels, tileRow: tileColumns * channels, tileColumn: channels, row: side * position, column: position };
    return { address: variable(name), offset, position, strides };
  }

  /** Declares the variables, and sets the addresses of transformed tiles. */
  open(steps: Steps, transformed: readonly Transformed[]): void {
    steps.declare(this.#first, this.#step, this.#at, this.#end);
    for (const { address, offset } of transformed) steps.declare(address).set(address, add(SCRATCH_ADDRESS, offset));
  }

  /** Starts the run at a row, or as late as a whole run fits. */
  start(steps: Steps, row: Value): void {
    const rows = this.#tiling.images * this.#tiling.tileRows;
    steps.set(this.#first, row);
    if (rows % this.#run !== 0) steps.set(this.#first, min(this.#first, rows - this.#run));
  }

  each(steps: Steps, count: number, body: (steps: Steps, step: Variable) => void): void {
    steps.count(this.#step, count, (at) => body(at, this.#step));
  }

  /** Steps that transform the run's tiles of the image at an address. */
  forward(map: LinearMap, channels: number, image: TileStrides, to: Transformed): (steps: Steps, address: Variable) => void {
    const tasks = planTileTransform({ kind: "tile-transform", map, ...this.#tiling, channels, input: image, output: to.strides }, this.planner);
    return (steps, address) => this.#transform(steps, tasks, address, this.#origin(to));
  }

  /** Steps that transform the run's tiles into the image at an address. */
  backward(map: LinearMap, channels: number, from: Transformed, image: TileStrides): (steps: Steps, address: Variable) => void {
    const tasks = planTileTransform({ kind: "tile-transform", map, ...this.#tiling, channels, input: from.strides, output: image }, this.planner);
    return (steps, address) => this.#transform(steps, tasks, this.#origin(from), address);
  }

  /** What the run covers in an image, from its first row's start to the end of the last one's `side` lines. */
  rows({ image, tileRow, row }: TileStrides, side: number): Rows {
    const { images, tileRows } = this.#tiling;
    const start = (address: Variable, first: Value, number: number): Value => {
      const index = add(first, number);
      return add(address, mul(div(index, tileRows), 4 * image), mul(rem(index, tileRows), 4 * tileRow));
    };
    return {
      touch: (steps, address) => {
        steps.set(this.#at, start(address, this.#first, 0)).set(this.#end, add(start(address, this.#first, this.#run - 1), 4 * side * row));
        steps.repeat((at) => at.touch(this.#at), below(letBe(this.#at, add(this.#at, LINE)), this.#end));
      },
      fetch: (steps, address, which, parts) => {
        const [first, at, group] = steps.variables("fetched", "fetch", "group");
        steps.set(first, which === "same" ? this.#first : min(add(this.#first, this.#run), images * tileRows - this.#run));
        steps.set(at, start(address, first, 0));
        const last = this.#run - 1;
        const lines = Math.ceil((4 * (Math.floor(last / tileRows) * image + (last % tileRows) * tileRow + side * row)) / LINE);
        const groups = Math.ceil(lines / parts / FETCHED_LINES);
        const perGroup = Math.ceil(lines / parts / groups);
        return (step) =>
          step.count(group, groups, (body) => {
            for (let line = 0; line < perGroup; line++) body.touch(add(at, LINE * line));
            body.set(at, add(at, LINE * perGroup));
          });
      },
    };
  }

  /** Does the transformation's tasks for the rows of this run. */
  #transform(steps: Steps, { tasks, routine }: Tasks, from: Value, to: Value): void {
    const { images, tileRows } = this.#tiling;
    const tasksOfRow = tasks / (images * tileRows);
    this.each(steps, this.#run * tasksOfRow, (at, step) => at.call(routine, add(mul(this.#first, tasksOfRow), step), from, to));
  }

  /** The address at which the transformed tiles would start if there were those of all rows. */
  #origin({ address, strides }: Transformed): Value {
    return sub(address, mul(this.#first, 4 * strides.tileRow));
  }
}
