/** @file Filters in any order of axes, and how kernels want them. */
import type { Node } from "../../ir/graph.ts";
import { filterBlock } from "../../ir/kernel.ts";
import type { Target } from "../../ir/target.ts";
import { flip, pad, reshape, transpose } from "../../ops/build.ts";
import type { Placed } from "../placed.ts";

/** A filter in any axis order. */
export interface FilterView {
  readonly node: Node;
  /** Where the axes (out channel, in channel, row, column) are in `node`. */
  readonly axes: readonly [number, number, number, number];
  /** Where the groups are, if there are any; channels are then those of a group. */
  readonly group?: number;
}

/** A filter of the graph, [out, in of a group, row, column]. */
export function filterOf({ node, permutation }: Placed, groups: number): FilterView {
  if (groups === 1) return { node, axes: permutation as FilterView["axes"] };
  const group = permutation[0]!;
  const split = node.shape.flatMap((extent, axis) => (axis === group ? [groups, extent / groups] : [extent]));
  const axes = permutation.map((axis) => (axis >= group ? axis + 1 : axis)) as unknown as FilterView["axes"];
  return { node: reshape(node, split), axes, group };
}

/** Packs a filter as [groups, ⌈out/block⌉, rows, columns, in, block], zero-padded: the order in which the kernel reads it. Without groups the first
 * axis is left out. */
export function packFilter({ node, axes, group }: FilterView, { wide }: Target): Node {
  const [out, channel, row, column] = axes;
  const block = filterBlock(node.shape[out]!, wide);
  const missing = (block - (node.shape[out]! % block)) % block;
  const zeros = node.shape.map(() => 0);
  const padded = pad(
    node,
    zeros,
    node.shape.map((_, axis) => (axis === out ? missing : 0)),
    zeros,
  );
  const split = reshape(
    padded,
    padded.shape.flatMap((extent, axis) => (axis === out ? [extent / block, block] : [extent])),
  );
  const place = (axis: number): number => (axis > out ? axis + 1 : axis);
  return transpose(split, [...(group === undefined ? [] : [place(group)]), out, place(row), place(column), place(channel), out + 1]);
}

/** The filter turned by 180° with in and out channels exchanged: convolving a cotangent with it gives the input's gradient. */
export function turnFilter({ node, axes: [out, channel, row, column], ...rest }: FilterView): FilterView {
  const turned = flip(
    node,
    [row, column].sort((a, b) => a - b),
  );
  return { ...rest, node: turned, axes: [channel, out, row, column] };
}
