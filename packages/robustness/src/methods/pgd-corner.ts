/** @file PGD training with perturbations pushed to the ball's corners. */
import { add } from "@gradalign/tensor";
import { toCorner } from "../attacks/pgd-corner.ts";
import { defineMethod } from "./method.ts";
import { pgdDelta, pgdOptions } from "./pgd.ts";

/** The loss at x + epsilon sign(PGD's perturbation), clipped to the box. A warm-up ramps PGD's ball, but not the corners' (paper's code). */
export const pgdCorner = defineMethod({
  id: "pgd-corner",
  paper: "Andriushchenko, Flammarion 2020, section 3",
  formula: "ℓ(x + ε sign δₖ), δₖ PGD's",
  trainsOn: "ε times the signs of PGD's perturbation",
  options: pgdOptions({ steps: 10, start: "zero" }),
  passes: ({ steps }) => ({ forward: steps + 2, backward: steps + 1 }),
  loss(context) {
    const { network, x, epsilon } = context;
    const delta = toCorner({ x, epsilon }, pgdDelta(context));
    network.forward(x);
    return { adversarial: network.forward(add(x, delta)) };
  },
});
