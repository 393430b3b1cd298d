/** @file PGD pushed to the corners of the l-infinity ball (section 3): large perturbations alone do not cause overfitting. */
import { mul, sign, type Value } from "@gradalign/tensor";
import { boxDelta } from "../threat/box.ts";
import { ascentOptions, type Ball, projectedGradientAttack } from "./projected-gradient.ts";

/** epsilon times a perturbation's signs, clipped to the box. */
export function toCorner({ x, epsilon }: Pick<Ball, "x" | "epsilon">, delta: Value): Value {
  return boxDelta(x, mul(sign(delta), epsilon));
}

/** The corner that PGD's perturbation points to. */
export const pgdCorner = projectedGradientAttack(
  {
    id: "pgd-corner",
    paper: "Andriushchenko, Flammarion 2020, section 3",
    help: "steps of PGD from the image, then to the corner of the ball that the perturbation points to",
    threats: ["linf"],
    options: ascentOptions({ steps: 10, stepSize: 0.2, start: "zero" }),
    numbers: ["steps", "restarts"],
  },
  { finish: toCorner },
);
