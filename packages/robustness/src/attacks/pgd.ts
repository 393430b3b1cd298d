/** @file Projected gradient descent. The paper's evaluation is PGD-50-10: 50 steps of epsilon / 4 from 10 random points. */
import { constant } from "../options/option.ts";
import { ascentOptions, projectedGradientAttack } from "./projected-gradient.ts";

/** PGD; the random start is not clipped to [0, 1] before the first step, as in the paper's code. */
export const pgd = projectedGradientAttack({
  id: "pgd",
  paper: "Madry et al. 2018",
  help: "steps of ε / 4 from random points; per image the one of highest loss counts, as in the paper, whose evaluation is `pgd-50-10`",
  options: {
    ...ascentOptions({ steps: 10, stepSize: 0.25, start: "random" }),
    momentum: constant({ least: 0, most: 1, default: 0, help: "share of the sum of earlier gradients that is kept (MI-FGSM)", remedy: "write e.g. 0.9" }),
  },
  numbers: ["steps", "restarts"],
});
