/** @file The one thing that code generators ask of a kernel's numbers: there is something to do. */
import { InvariantError } from "../base/errors.ts";
import type { ConvKernel, FilterGradKernel, Kernel, PlanarShape } from "./kernel.ts";

/** Throws an InvariantError for a kernel that has a loop of no turns: simplification leaves no values without elements, and divisions by
 * extents and loops that test their condition last may count on that. */
export function checkExtents(kernel: Kernel): void {
  const extents = extentsOf(kernel);
  if (!extents.every((extent) => extent > 0)) throw new InvariantError(`a ${kernel.kind} kernel over nothing, [${extents.join(", ")}], got to code generation`);
}

function extentsOf(kernel: Kernel): readonly number[] {
  switch (kernel.kind) {
    case "loop":
      return kernel.extents;
    case "conv":
      return [kernel.batch, kernel.height, kernel.width, kernel.channels, kernel.rows, kernel.run, ...sharesOf(kernel)];
    case "filter-grad":
      return [kernel.batch, kernel.height, kernel.width, kernel.channels, kernel.rows, kernel.run, kernel.chunks, ...sharesOf(kernel)];
    case "planar-conv":
      return planarExtents(kernel);
    case "planar-filter-grad":
      return [...planarExtents(kernel), kernel.chunks];
    case "tile-transform":
      return [kernel.images, kernel.tileRows, kernel.tileColumns, kernel.channels];
    case "winograd-conv":
      return [kernel.images, kernel.tileRows, kernel.tileColumns, kernel.inputs, kernel.outputs];
    case "winograd-filter-grad":
      return [kernel.images, kernel.tileRows, kernel.tileColumns, kernel.inputs, kernel.outputs, kernel.chunks];
    case "random":
      return [kernel.keys ?? 1, kernel.count];
    case "scatter-add":
      return [kernel.count, kernel.slice, ...kernel.extents];
  }
}

function sharesOf({ columns, groups }: ConvKernel | FilterGradKernel): number[] {
  return [columns?.count ?? 1, groups?.count ?? 1];
}

function planarExtents({ batch, channels, inputs, height, width, rows, columns }: PlanarShape): number[] {
  return [batch, channels, inputs, height, width, rows, columns];
}
