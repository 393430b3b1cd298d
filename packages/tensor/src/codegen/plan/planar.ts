/** @file Plans of convolutions of few channels on planar images: lanes are neighbouring pixels of a row, scalars the filter's elements. */
import type { PlanarConvKernel, PlanarShape } from "../../ir/kernel.ts";
import { laneGroups } from "./lanes.ts";
import { add, div, mul, type ReductionLoop, rem, type Steps, type Variable } from "./language.ts";
import { evenPart } from "./pixels.ts";
import type { Planner, Tasks } from "./planner.ts";

/** Multiply-adds of a task, about 20 µs. */
const TASK_WORK = 5e5;

/** Byte distances in the two images of a planar convolution. */
export function planarDistances({ channels, inputs, height, width, rows, columns }: PlanarShape) {
  const row = 4 * (width + columns - 1);
  const plane = row * (height + rows - 1);
  const cotangentPlane = 4 * width * height;
  return { row, plane, image: plane * inputs, outRow: 4 * width, outPlane: cotangentPlane, outImage: cotangentPlane * channels };
}

/** A planar convolution: a register tile is all channels × a few vectors of a row. A task is a run of rows. Buffers: x, filter, y. */
export function planPlanarConv(kernel: PlanarConvKernel, planner: Planner): Tasks {
  const { batch, height, width, channels, inputs, rows, columns } = kernel;
  const { wide, registers } = planner.machine;
  const at = planarDistances(kernel);
  const taps: ReductionLoop[] = [
    { count: inputs, scalarStep: 4 * channels * columns * rows, vectorStep: at.plane },
    { count: rows, scalarStep: 4 * channels * columns, vectorStep: at.row },
    { count: columns, scalarStep: 4 * channels, vectorStep: 4 },
  ];
  const total = batch * height;
  const perTask = evenPart(total, Math.max(1, Math.round(TASK_WORK / (channels * inputs * rows * columns * width))));
  // Wide registers hold two vectors each.
  const perRegister = wide ? 2 : 1;
  const vectors = Math.min(width / 4, perRegister * Math.max(1, Math.floor((registers - channels) / (channels + 1))));
  const wholeTiles = Math.floor(width / (4 * vectors));
  const rest = width / 4 - wholeTiles * vectors;
  const scalars = Array.from({ length: channels }, (_, k) => 4 * k);
  const planes = Array.from({ length: channels }, (_, k) => k * at.outPlane);

  const routine = planner.add("planar-conv", ["task", "x", "filter", "y"], (steps, task, x, filter, y) => {
    const [row, rowEnd, from, to, tile] = steps.variables("row", "rowEnd", "from", "to", "tile");
    const multiply = (body: Steps, count: number): Steps => {
      const registerTile = { scalars, lanes: laneGroups(4 * count) };
      return body.accumulate(registerTile, filter, from, taps).store(registerTile, to, planes);
    };
    steps.range(row, rowEnd, task, perTask, total, (body) => {
      const start = (address: Variable, base: Variable, image: number, line: number): Steps =>
        body.set(address, add(base, mul(div(row, height), image), mul(rem(row, height), line)));
      start(from, x, at.image, at.row);
      start(to, y, at.outImage, at.outRow);
      body.count(tile, wholeTiles, (whole) => {
        multiply(whole, vectors)
          .set(from, add(from, 16 * vectors))
          .set(to, add(to, 16 * vectors));
      });
      if (rest > 0) multiply(body, rest);
    });
  });
  return { tasks: Math.ceil(total / perTask), routine };
}
