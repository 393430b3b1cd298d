/** @file Projected gradient descent. The paper's evaluation is PGD-50-10: 50 steps of epsilon / 4 from 10 random points. */
import { projectedGradientAttack } from "./projected-gradient.ts";

/** PGD; the random start is not clipped to [0, 1] before the first step, as in the paper's code. */
export const pgd = projectedGradientAttack({
  id: "pgd",
  paper: "Madry et al. 2018",
  defaults: { steps: 10, stepSize: 0.25, start: "random", restarts: 1 },
});
