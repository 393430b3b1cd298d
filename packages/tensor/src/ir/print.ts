/** @file Graphs and kernels as text, for errors, tests and debugging. */
import { formatShape } from "../base/shape.ts";
import { type Node, topologicalOrder } from "./graph.ts";
import {
  type ConvKernel,
  type FilterGradKernel,
  type Kernel,
  type PlanarShape,
  type WinogradConvKernel,
  type WinogradFilterGradKernel,
  windowSize,
} from "./kernel.ts";
import { type Expr, forEachExpr } from "./scalar.ts";

/** One line per node: `%3 = mul(%1, %2) float32[2, 3] {axis: 1}`; numbering starts at 0 whatever ran before. */
export function printGraph(roots: readonly Node[]): string {
  const names = new Map<Node, string>();
  const lines = topologicalOrder(roots).map((node, i) => {
    names.set(node, `%${i}`);
    const attrs = Object.keys(node.attrs).length > 0 ? ` ${JSON.stringify(node.attrs)}` : "";
    return `%${i} = ${node.op}(${node.inputs.map((input) => names.get(input)).join(", ")}) ${node.dtype}${formatShape(node.shape)}${attrs}`;
  });
  return [...lines, `return ${roots.map((root) => names.get(root)).join(", ")}`].join("\n");
}

/** A kernel in a few words: its kind, extents and amount of arithmetic per element. */
export function describeKernel(kernel: Kernel): string {
  switch (kernel.kind) {
    case "loop": {
      const kept = kernel.extents.slice(0, kernel.extents.length - kernel.reduced);
      const reduced = kernel.reduced > 0 ? ` ${kernel.combine} over [${kernel.extents.slice(-kernel.reduced).join(",")}]` : "";
      return `loop [${kept.join(",")}]${reduced}, ${kernel.outputs.length} out, ${countInstructions(kernel.outputs.map((output) => output.value))} ops`;
    }
    case "conv":
      return `conv ${kernel.batch}x${kernel.height}x${kernel.width} window ${describeWindow(kernel)} to ${kernel.channels}`;
    case "filter-grad":
      return `filter-grad ${kernel.batch}x${kernel.height}x${kernel.width} window ${describeWindow(kernel)} by ${kernel.channels}, ${kernel.chunks} chunks`;
    case "planar-conv":
      return `planar conv ${describePlanar(kernel)}`;
    case "planar-filter-grad":
      return `planar filter-grad ${describePlanar(kernel)}, ${kernel.chunks} chunks`;
    case "tile-transform":
      return `tile-transform ${kernel.map.inputs} to ${kernel.map.outputs}, ${kernel.images}x${kernel.tileRows}x${kernel.tileColumns} tiles of ${kernel.channels}`;
    case "winograd-conv":
      return `winograd conv ${describeTiles(kernel)}`;
    case "winograd-filter-grad":
      return `winograd filter-grad ${describeTiles(kernel)}, ${kernel.chunks} chunks`;
    case "random":
      return kernel.keys === undefined ? `random ${kernel.count}` : `random ${kernel.keys}x${kernel.count}`;
    case "scatter-add":
      return `scatter-add ${kernel.count} x ${kernel.slice}`;
  }
}

/** Floating-point operations of a contraction; 0 for other kernels. */
export function kernelFlops(kernel: Kernel): number {
  switch (kernel.kind) {
    case "conv":
    case "filter-grad":
      return 2 * kernel.batch * kernel.height * kernel.width * windowSize(kernel) * kernel.channels * (kernel.groups?.count ?? 1);
    case "planar-conv":
    case "planar-filter-grad":
      return 2 * kernel.batch * kernel.height * kernel.width * kernel.rows * kernel.columns * kernel.inputs * kernel.channels;
    case "winograd-conv":
    case "winograd-filter-grad":
      return 2 * kernel.before.outputs ** 2 * kernel.images * kernel.tileRows * kernel.tileColumns * kernel.inputs * kernel.outputs;
    default:
      return 0;
  }
}

function describeWindow({ rows, columns, run, groups }: ConvKernel | FilterGradKernel): string {
  return `${[rows, ...(columns ? [columns.count] : []), run].join("x")}${groups ? ` of ${groups.count} groups` : ""}`;
}

function describePlanar({ batch, height, width, rows, columns, inputs, channels }: PlanarShape): string {
  return `${batch}x${height}x${width} filter ${rows}x${columns}, ${inputs} to ${channels} channels`;
}

function describeTiles({ images, tileRows, tileColumns, inputs, outputs }: WinogradConvKernel | WinogradFilterGradKernel): string {
  return `${images}x${tileRows}x${tileColumns} tiles, ${inputs} to ${outputs} channels`;
}

function countInstructions(roots: readonly Expr[]): number {
  let count = 0;
  forEachExpr(roots, (expr) => {
    if (expr.kind === "op") count++;
  });
  return count;
}
