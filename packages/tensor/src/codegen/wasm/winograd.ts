/** @file Winograd's convolution and its filter gradient as WebAssembly, all of it for a few tiles at a time: between the parts they stay in
 * the core's second-level cache, instead of going through memory. */
import { invariant } from "../../base/errors.ts";
import type { ConvKernel, FilterGradKernel, TileStrides, WinogradConvKernel, WinogradFilterGradKernel } from "../../ir/kernel.ts";
import type { LinearMap } from "../../ir/linear-map.ts";
import { GRADIENT_TILES, SKEW, type Tiling } from "../../ir/winograd.ts";
import { emitConv } from "./conv.ts";
import { emitFilterGradPass } from "./filter-grad.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { type KernelCode, type ModuleContext, SCRATCH, withScratch } from "./kernel-code.ts";
import { I32, OP } from "./opcodes.ts";
import { evenPart } from "./pixels.ts";
import { emitTileTransform } from "./tile-transform.ts";
import { Toucher } from "./touch.ts";

/** Bytes of transformed tiles that are kept at a time, about; more only where so few tiles would not pay for reading the filter. */
const TILE_BYTES = 320 << 10;
const LEAST_TILES = 8;

/** A task is a run of tile rows, counted through all images. Where runs do not divide the rows, the last one overlaps the one before it
 * and computes the same bits again. Buffers: x, filter, y. */
export function emitWinogradConv(kernel: WinogradConvKernel, module: ModuleContext): KernelCode {
  const { images, tileRows, tileColumns, inputs, outputs, block, before, after } = kernel;
  const positions = before.outputs ** 2;
  const rows = images * tileRows;
  const wanted = Math.max(LEAST_TILES, TILE_BYTES / (4 * positions * (inputs + outputs)));
  const run = evenPart(rows, Math.max(1, Math.floor(wanted / tileColumns)));
  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [task, x, filter, y] = [0, 1, 2, 3];
  const tiles = new TileRun(f, { images, tileRows, tileColumns }, run, module);
  const v = tiles.reserve(inputs, before.outputs);
  const m = tiles.reserve(outputs, before.outputs);
  const toTiles = tiles.forward(before, inputs, kernel.input, v);
  const fromTiles = tiles.backward(after, outputs, m, kernel.output);
  const product: ConvKernel = {
    kind: "conv",
    batch: 1,
    height: 1,
    width: run * tileColumns,
    channels: outputs,
    block,
    rows: 1,
    run: inputs,
    tapRow: 0,
    input: { offset: 0, image: 0, row: 0, pixel: inputs },
    output: { offset: 0, image: 0, row: 0, pixel: outputs },
    groups: { count: positions, input: v.position, filter: kernel.filterPosition, output: m.position },
  };
  const multiply = emitConv(product, tiles.module);

  tiles.start(() => f.get(task).i32(run).op(OP.i32_mul));
  toTiles(x);
  tiles.each(multiply.tasks, (step) => {
    f.get(step).get(v.address).get(filter).get(m.address).call(multiply.entry);
  });
  fromTiles(y);
  return { tasks: Math.ceil(rows / run), entry: module.add(f) };
}

/** A task is a chunk of the tile rows, run by run. Buffers: x, cotangent, output. */
export function emitWinogradFilterGrad(kernel: WinogradFilterGradKernel, module: ModuleContext): KernelCode {
  const { images, tileRows, tileColumns, inputs, outputs, before, beforeCotangent, chunks } = kernel;
  const positions = before.outputs ** 2;
  const rowsOfChunk = (images * tileRows) / chunks;
  const wanted = Math.min(GRADIENT_TILES, TILE_BYTES / (4 * positions * (inputs + outputs)));
  let run = Math.min(rowsOfChunk, Math.max(1, Math.floor(wanted / tileColumns)));
  while (rowsOfChunk % run !== 0) run--;
  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [task, x, cotangent, output] = [0, 1, 2, 3];
  const tiles = new TileRun(f, { images, tileRows, tileColumns }, run, module);
  const v = tiles.reserve(inputs, before.outputs);
  const z = tiles.reserve(outputs, before.outputs);
  const toTiles = tiles.forward(before, inputs, kernel.input, v);
  const toGradientTiles = tiles.forward(beforeCotangent, outputs, kernel.cotangent, z);
  const product: FilterGradKernel = {
    kind: "filter-grad",
    batch: positions,
    height: 1,
    width: run * tileColumns,
    channels: outputs,
    rows: 1,
    run: inputs,
    tapRow: 0,
    input: { offset: 0, image: v.position, row: 0, pixel: inputs },
    cotangent: { offset: 0, image: z.position, row: 0, pixel: outputs },
    chunks: positions,
  };
  const multiply = emitFilterGradPass(product, tiles.module);
  const [turn, sums] = [f.local(I32), f.local(I32)];
  f.get(output)
    .get(task)
    .i32(4 * positions * inputs * outputs)
    .op(OP.i32_mul, OP.i32_add)
    .set(sums);
  f.countedLoop(turn, 0, rowsOfChunk / run, 1, () => {
    tiles.start(() => f.get(task).i32(rowsOfChunk).op(OP.i32_mul).get(turn).i32(run).op(OP.i32_mul, OP.i32_add));
    toTiles(x);
    toGradientTiles(cotangent);
    tiles.each(multiply.tasks, (step) => {
      f.get(step).get(turn).get(v.address).get(z.address).get(sums).call(multiply.entry);
    });
  });
  return { tasks: chunks, entry: module.add(f) };
}

/** Where a run's transformed tiles are: for each position all tiles, for each tile all channels. */
interface Transformed {
  /** Local of the address. */
  readonly address: number;
  /** Elements from one position to the next. */
  readonly position: number;
  /** Strides of all the tiles there are, from a first one that lies before the run's. */
  readonly strides: TileStrides;
}

/** Code for a run of tile rows: its first row is in a local, its transformed tiles in scratch memory. */
class TileRun {
  /** For functions that are called while the tiles are in use. */
  module: ModuleContext;
  readonly #f: FunctionBuilder;
  readonly #tiling: Tiling;
  readonly #run: number;
  readonly #first: number;
  readonly #step: number;
  readonly #toucher: Toucher;

  constructor(f: FunctionBuilder, tiling: Tiling, run: number, module: ModuleContext) {
    this.#f = f;
    this.#tiling = tiling;
    this.#run = run;
    this.module = module;
    [this.#first, this.#step] = [f.local(I32), f.local(I32)];
    this.#toucher = new Toucher(f);
  }

  /** Room for a run's transformed tiles, `side` by `side` positions. */
  reserve(channels: number, side: number): Transformed {
    const f = this.#f;
    const { tileRows, tileColumns } = this.#tiling;
    const position = this.#run * tileColumns * channels + SKEW;
    const bytes = 4 * side * side * position;
    const address = f.local(I32);
    f.globalGet(SCRATCH).i32(this.module.scratch(bytes)).op(OP.i32_add).set(address);
    this.module = withScratch(this.module, bytes);
    const strides = { image: tileRows * tileColumns * channels, tileRow: tileColumns * channels, tileColumn: channels, row: side * position, column: position };
    return { address, position, strides };
  }

  /** Starts the run at the row that `push` pushes, or as late as a whole run fits. */
  start(push: () => void): void {
    const f = this.#f;
    const rows = this.#tiling.images * this.#tiling.tileRows;
    invariant(this.#run <= rows, "a run is longer than there are rows");
    push();
    f.set(this.#first);
    if (rows % this.#run === 0) return;
    const last = rows - this.#run;
    f.get(this.#first).i32(last).get(this.#first).i32(last).op(OP.i32_lt_s, OP.select).set(this.#first);
  }

  each(count: number, body: (step: number) => void): void {
    this.#f.countedLoop(this.#step, 0, count, 1, () => body(this.#step));
  }

  /** Code that transforms the run's tiles of the image at the address in a local. */
  forward(map: LinearMap, channels: number, image: TileStrides, to: Transformed): (address: number) => void {
    const code = emitTileTransform({ kind: "tile-transform", map, ...this.#tiling, channels, input: image, output: to.strides }, this.module);
    return (address) => {
      this.#touch(address, image, map.inputs);
      this.#transform(
        code,
        () => this.#f.get(address),
        () => this.#pushOrigin(to),
      );
    };
  }

  /** Code that transforms the run's tiles into the image at the address in a local. */
  backward(map: LinearMap, channels: number, from: Transformed, image: TileStrides): (address: number) => void {
    const code = emitTileTransform({ kind: "tile-transform", map, ...this.#tiling, channels, input: from.strides, output: image }, this.module);
    return (address) => {
      this.#touch(address, image, map.outputs);
      this.#transform(
        code,
        () => this.#pushOrigin(from),
        () => this.#f.get(address),
      );
    };
  }

  /** Runs the transformation's tasks for the rows of this run. */
  #transform({ tasks, entry }: KernelCode, from: () => void, to: () => void): void {
    const f = this.#f;
    const { images, tileRows } = this.#tiling;
    const tasksOfRow = tasks / (images * tileRows);
    this.each(this.#run * tasksOfRow, (step) => {
      f.get(this.#first).i32(tasksOfRow).op(OP.i32_mul).get(step).op(OP.i32_add);
      from();
      to();
      f.call(entry);
    });
  }

  /** Pushes the address at which the transformed tiles would start if there were those of all rows. */
  #pushOrigin({ address, strides }: Transformed): void {
    this.#f
      .get(address)
      .get(this.#first)
      .i32(4 * strides.tileRow)
      .op(OP.i32_mul, OP.i32_sub);
  }

  /** Reads ahead what the run covers in an image: from its first row's start to the end of the last one's `side` lines. */
  #touch(address: number, strides: TileStrides, side: number): void {
    const f = this.#f;
    const { tileRows } = this.#tiling;
    const pushRow = (row: number): void => {
      const pushIndex = (): FunctionBuilder => f.get(this.#first).i32(row).op(OP.i32_add);
      f.get(address);
      pushIndex()
        .i32(tileRows)
        .op(OP.i32_div_u)
        .i32(4 * strides.image)
        .op(OP.i32_mul, OP.i32_add);
      pushIndex()
        .i32(tileRows)
        .op(OP.i32_rem_u)
        .i32(4 * strides.tileRow)
        .op(OP.i32_mul, OP.i32_add);
    };
    this.#toucher.range(
      () => pushRow(0),
      () => {
        pushRow(this.#run - 1);
        f.i32(4 * side * strides.row).op(OP.i32_add);
      },
    );
  }
}
