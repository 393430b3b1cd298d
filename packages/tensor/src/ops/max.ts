/** @file Largest element over axes. Ties share the cotangent evenly, as in PyTorch's `amax`. */
import type { Node } from "../ir/graph.ts";
import { broadcast, div, eq, fullLike, mul, select, sum } from "./build.ts";
import { keptAxes, reduction } from "./reduce.ts";

export const max = reduction({
  name: "max",
  combine: Math.max,
  vjp(node: Node, ct: Node) {
    const x = node.inputs[0]!;
    const axes = node.attrs["axes"] as readonly number[];
    const kept = keptAxes(x.shape.length, axes);
    const hit = select(eq(x, broadcast(node, x.shape, kept)), fullLike(x, 1), fullLike(x, 0));
    return [mul(hit, broadcast(div(ct, sum(hit, axes)), x.shape, kept))];
  },
});
