/** @file Plans of convolutions of few channels on planar images, where lanes are neighbouring pixels of a row, and of their filter gradients. */
import type { PlanarConvKernel, PlanarFilterGradKernel, PlanarShape } from "../../ir/kernel.ts";
import { laneGroups } from "./lanes.ts";
import { add, div, mul, type ReductionLoop, rem, type Steps, type Variable } from "./language.ts";
import { evenPart } from "./pixels.ts";
import type { Planner, Tasks } from "./planner.ts";

/** Multiply-adds of a task, about 20 µs. */
const TASK_WORK = 5e5;

/** Byte distances in the two images of a planar convolution. */
function planarDistances({ channels, inputs, height, width, rows, columns }: PlanarShape) {
  const row = 4 * (width + columns - 1);
  const plane = row * (height + rows - 1);
  const cotangentPlane = 4 * width * height;
  return { row, plane, image: plane * inputs, outRow: 4 * width, outPlane: cotangentPlane, outImage: cotangentPlane * channels };
}

/** A planar convolution: a register tile is all channels × a few vectors of a row. A task is a run of rows. Buffers: x, filter, y. */
export function planPlanarConv(kernel: PlanarConvKernel, planner: Planner): Tasks {
  const { batch, height, width, channels, inputs, rows, columns } = kernel;
  const { widest, registers } = planner.machine;
  const at = planarDistances(kernel);
  const taps: ReductionLoop[] = [
    { count: inputs, scalarStep: 4 * channels * columns * rows, vectorStep: at.plane },
    { count: rows, scalarStep: 4 * channels * columns, vectorStep: at.row },
    { count: columns, scalarStep: 4 * channels, vectorStep: 4 },
  ];
  const total = batch * height;
  const perTask = evenPart(total, Math.max(1, Math.round(TASK_WORK / (channels * inputs * rows * columns * width))));
  const vectors = Math.min(width / 4, widest * Math.max(1, Math.floor((registers - channels) / (channels + 1))));
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

/** A planar filter gradient. A task is a chunk of images. For each image, tiles of windows × channels of the cotangent go over all pixels, and are added
 * to the sums in memory. Buffers: x, cotangent, output. */
export function planPlanarFilterGrad(kernel: PlanarFilterGradKernel, planner: Planner): Tasks {
  const { batch, height, width, channels, inputs, rows, columns, chunks } = kernel;
  const at = planarDistances(kernel);
  const taps: number[] = [];
  for (let c = 0; c < inputs; c++) for (let r = 0; r < rows; r++) for (let s = 0; s < columns; s++) taps.push(c * at.plane + r * at.row + 4 * s);
  const perChunk = batch / chunks;
  const size = channels * taps.length;
  const most = planner.machine.dots;

  const routine = planner.add("planar-filter-grad", ["task", "x", "cotangent", "output"], (steps, task, x, cotangent, output) => {
    const [image, window, gradient, sums] = steps.variables("image", "window", "gradient", "sums");
    steps.set(window, add(x, mul(task, perChunk * at.image)));
    steps.set(gradient, add(cotangent, mul(task, perChunk * at.outImage)));
    steps.set(sums, add(output, mul(task, 4 * size)));
    steps.clear(sums, size).count(image, perChunk, (body) => {
      for (let tap = 0; tap < taps.length; tap += most.windows) {
        for (let channel = 0; channel < channels; channel += most.gradients) {
          const windows = taps.slice(tap, tap + most.windows);
          const planes = Array.from({ length: Math.min(most.gradients, channels - channel) }, (_, k) => channel + k);
          body.dots({
            ...{ window, gradient, sums, windows },
            gradients: planes.map((k) => k * at.outPlane),
            rows: height,
            vectorsPerRow: width / 4,
            gap: 4 * (columns - 1),
            place: windows.map((_, i) => planes.map((k) => 4 * (k * taps.length + tap + i))),
          });
        }
      }
      body.set(window, add(window, at.image)).set(gradient, add(gradient, at.outImage));
    });
  });
  return { tasks: chunks, routine };
}
