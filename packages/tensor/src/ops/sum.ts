/** @file Sum over axes. */
import { broadcast } from "./build.ts";
import { keptAxes, reduction } from "./reduce.ts";

export const sum = reduction({
  name: "sum",
  combine: (a, b) => a + b,
  vjp: ({ inputs: [x], attrs }, ct) => [broadcast(ct, x!.shape, keptAxes(x!.shape.length, attrs["axes"] as readonly number[]))],
});
