/** @file FGSM from a random point of the ball, with a step a quarter longer than its radius. */
import { ascentOptions, projectedGradientAttack } from "./projected-gradient.ts";

/** FGSM-RS. */
export const fgsmRs = projectedGradientAttack({
  id: "fgsm-rs",
  paper: "Wong, Rice, Kolter 2020, Fast is better than free",
  help: "one step of 1.25 ε from a random point of the ball",
  options: ascentOptions({ steps: 1, stepSize: 1.25, start: "random" }),
});
