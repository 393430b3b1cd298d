/** @file Winograd's convolution as WebAssembly, all of it for a few tiles at a time: between its parts they stay in the core's
 * second-level cache, instead of going through memory. */
import type { ConvKernel, TileStrides, WinogradConvKernel } from "../../ir/kernel.ts";
import { emitConv } from "./conv.ts";
import { FunctionBuilder, I32, OP } from "./encoder.ts";
import { type KernelCode, type ModuleContext, SCRATCH, withScratch } from "./kernel-code.ts";
import { evenPart } from "./pixels.ts";
import { emitTileTransform } from "./tile-transform.ts";
import { Toucher } from "./touch.ts";

/** Bytes of transformed tiles that a task keeps, about; more only where so few tiles would not pay for reading the filter. */
const TILE_BYTES = 320 << 10;
const LEAST_TILES = 8;
/** Elements between positions beyond what they need: equal offsets of 36 streams would all fall into one set of the cache. */
const SKEW = 16;

/** A task is a run of tile rows, counted through all images. Where runs do not divide the rows, the last one overlaps the one before it
 * and computes the same bits again. Buffers: x, filter, y. */
export function emitWinogradConv(kernel: WinogradConvKernel, module: ModuleContext): KernelCode {
  const { images, tileRows, tileColumns, inputs, outputs, block, before, after } = kernel;
  const side = before.outputs;
  const positions = side * side;
  const rows = images * tileRows;
  const wanted = Math.max(LEAST_TILES, TILE_BYTES / (4 * positions * (inputs + outputs)));
  const run = evenPart(rows, Math.max(1, Math.floor(wanted / tileColumns)));
  const tiles = run * tileColumns;
  /** Positions of transformed tiles; addresses count from the first tile of all. */
  const transformed = (channels: number): { strides: TileStrides; position: number; bytes: number } => {
    const position = tiles * channels + SKEW;
    const strides = { image: tileRows * tileColumns * channels, tileRow: tileColumns * channels, tileColumn: channels, row: side * position, column: position };
    return { strides, position, bytes: 4 * positions * position };
  };
  const [v, m] = [transformed(inputs), transformed(outputs)];
  const scratch = module.scratch(v.bytes + m.bytes);
  const inner = withScratch(module, scratch + v.bytes + m.bytes);
  const tiling = { images, tileRows, tileColumns };
  const toTiles = emitTileTransform({ kind: "tile-transform", map: before, ...tiling, channels: inputs, input: kernel.input, output: v.strides }, inner);
  const fromTiles = emitTileTransform({ kind: "tile-transform", map: after, ...tiling, channels: outputs, input: m.strides, output: kernel.output }, inner);
  const product: ConvKernel = {
    kind: "conv",
    batch: positions,
    height: 1,
    width: tiles,
    channels: outputs,
    block,
    rows: 1,
    run: inputs,
    tapRow: 0,
    input: { offset: 0, image: v.position, row: 0, pixel: inputs },
    output: { offset: 0, image: m.position, row: 0, pixel: outputs },
    filterImage: kernel.filterPosition,
  };
  const multiply = emitConv(product, inner);

  const f = new FunctionBuilder([I32, I32, I32, I32]);
  const [task, x, filter, y] = [0, 1, 2, 3];
  const [first, step, tilesIn, tilesOut] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  f.globalGet(SCRATCH).i32(scratch).op(OP.i32_add).tee(tilesIn).i32(v.bytes).op(OP.i32_add).set(tilesOut);
  f.get(task).i32(run).op(OP.i32_mul).set(first);
  if (rows % run !== 0)
    f.get(first)
      .i32(rows - run)
      .get(first)
      .i32(rows - run)
      .op(OP.i32_lt_s, OP.select)
      .set(first);
  /** Runs the transformation's tasks for the rows of this task. */
  const transform = ({ tasks, entry }: KernelCode, from: () => void, to: () => void): void => {
    const perRow = tasks / rows;
    f.countedLoop(step, 0, run * perRow, 1, () => {
      f.get(first).i32(perRow).op(OP.i32_mul).get(step).op(OP.i32_add);
      from();
      to();
      f.call(entry);
    });
  };
  /** Pushes the address at which the transformed tiles of all rows would start. */
  const origin = (address: number, channels: number) => (): void => {
    f.get(address)
      .get(first)
      .i32(4 * tileColumns * channels)
      .op(OP.i32_mul, OP.i32_sub);
  };
  const toucher = new Toucher(f);
  /** Reads ahead what the rows of this task cover in an image: from the first row's start to the end of the last one's `side` lines. */
  const touch = (image: number, strides: TileStrides, side: number): void => {
    const pushStart = (row: () => void): void => {
      f.get(image);
      row();
      f.i32(tileRows)
        .op(OP.i32_div_u)
        .i32(4 * strides.image)
        .op(OP.i32_mul, OP.i32_add);
      row();
      f.i32(tileRows)
        .op(OP.i32_rem_u)
        .i32(4 * strides.tileRow)
        .op(OP.i32_mul, OP.i32_add);
    };
    toucher.range(
      () => pushStart(() => f.get(first)),
      () => {
        pushStart(() =>
          f
            .get(first)
            .i32(run - 1)
            .op(OP.i32_add),
        );
        f.i32(4 * side * strides.row).op(OP.i32_add);
      },
    );
  };
  touch(x, kernel.input, before.inputs);
  transform(toTiles, () => f.get(x), origin(tilesIn, inputs));
  f.countedLoop(step, 0, multiply.tasks, 1, () => {
    f.get(step).get(tilesIn).get(filter).get(tilesOut).call(multiply.entry);
  });
  touch(y, kernel.output, after.outputs);
  transform(fromTiles, origin(tilesOut, outputs), () => f.get(y));
  return { tasks: Math.ceil(rows / run), entry: module.add(f) };
}
