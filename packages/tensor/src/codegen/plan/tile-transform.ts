/** @file Plans of tile transformations: as many channels at a time as a register holds, columns first, then rows. */
import type { TileStrides, TileTransformKernel } from "../../ir/kernel.ts";
import { add, div, letBe, lt, min, mul, rem, SCRATCH_ADDRESS, shl, type Value, type Variable } from "./language.ts";
import { evenPart } from "./pixels.ts";
import type { Planner, Tasks } from "./planner.ts";

/** Tiles × channels of a task, about 50 µs. */
const TASK_CHANNELS = 1024;

/** Tasks are rows of tiles, or parts of one where a row has many channels. Buffers: input, output. */
export function planTileTransform(kernel: TileTransformKernel, planner: Planner): Tasks {
  const { map, images, tileRows, tileColumns, channels } = kernel;
  const vectors = [4, 2].find((count) => count <= planner.machine.widest && channels % (4 * count) === 0) ?? 1;
  const width = 4 * vectors;
  const part = width * evenPart(channels / width, Math.max(1, Math.floor(TASK_CHANNELS / tileColumns / width)));
  const parts = Math.ceil(channels / part);
  const operands = Array.from({ length: vectors * (map.inputs + map.sums.length - map.outputs) }, (_, i): Variable => ({ name: `operand${i}`, vector: true }));
  const transform = { map, input: kernel.input, output: kernel.output, vectors, operands };
  const between = planner.scratch(16 * vectors * map.inputs * map.outputs);

  const routine = planner.add("tile-transform", ["task", "input", "output"], (steps, task, input, output) => {
    const [rest, first, last, column, channel] = steps.variables("rest", "first", "last", "column", "channel");
    const [from, to, source, target] = steps.variables("from", "to", "source", "target");
    // task = (image · tileRows + tileRow) · parts + part
    steps.set(last, add(letBe(first, mul(rem(task, parts), part)), part));
    steps.set(last, min(last, channels));
    steps.set(rest, div(task, parts));
    const place = (buffer: Variable, { image, tileRow }: TileStrides): Value =>
      add(buffer, mul(div(rest, tileRows), 4 * image), mul(rem(rest, tileRows), 4 * tileRow));
    steps.set(from, place(input, kernel.input));
    steps.set(to, place(output, kernel.output));
    const [columns] = steps.declare(...operands).variables("between");
    steps.set(columns, add(SCRATCH_ADDRESS, between));
    steps.count(column, tileColumns, (tile) => {
      tile.set(channel, first);
      tile.repeat(
        (at) => {
          at.set(source, add(from, mul(column, 4 * kernel.input.tileColumn), shl(channel, 2)));
          at.set(target, add(to, mul(column, 4 * kernel.output.tileColumn), shl(channel, 2)));
          at.transform(transform, source, target, columns);
        },
        lt(letBe(channel, add(channel, width)), last),
      );
    });
  });
  return { tasks: images * tileRows * parts, routine };
}
