/** @file PGD pushed to the corners of the l-infinity ball (section 3): large perturbations alone do not cause overfitting. */
import { mul, sign, type Value } from "@gradalign/tensor";
import { boxDelta } from "../threat/box.ts";
import { type Ball, projectedGradientAttack } from "./projected-gradient.ts";

/** epsilon times a perturbation's signs, clipped to the box. */
export function toCorner({ x, epsilon }: Pick<Ball, "x" | "epsilon">, delta: Value): Value {
  return boxDelta(x, mul(sign(delta), epsilon));
}

/** The corner that PGD's perturbation points to. */
export const pgdCorner = projectedGradientAttack(
  {
    id: "pgd-corner",
    paper: "Andriushchenko, Flammarion 2020, section 3",
    threats: ["linf"],
    defaults: { steps: 10, stepSize: 0.2, start: "zero", restarts: 1 },
  },
  { finish: toCorner },
);
