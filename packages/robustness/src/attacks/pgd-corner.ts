/** @file PGD pushed to the corners of the l-infinity ball (section 3): large perturbations alone do not cause overfitting. */
import { mul, sign } from "@gradalign/tensor";
import { boxDelta } from "../threat/box.ts";
import { projectedGradientAttack } from "./attack.ts";

/** epsilon times the sign of PGD's perturbation, clipped to the box. */
export const pgdCorner = projectedGradientAttack(
  {
    id: "pgd-corner",
    paper: "Andriushchenko, Flammarion 2020, section 3",
    threats: ["linf"],
    defaults: { steps: 10, stepSize: 0.2, start: "zero", restarts: 1 },
  },
  ({ x, epsilon }, delta) => boxDelta(x, mul(sign(delta), epsilon)),
);
