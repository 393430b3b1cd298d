/** @file The fast gradient sign method: one step to the ball's corner that a linear loss would choose. */
import { ascentOptions, projectedGradientAttack } from "./projected-gradient.ts";

/** FGSM without random start and with a full step, as in the paper's evaluations. */
export const fgsm = projectedGradientAttack({
  id: "fgsm",
  paper: "Goodfellow, Shlens, Szegedy 2015; here without random start",
  help: "one step of ε from the image",
  options: ascentOptions({ steps: 1, stepSize: 1, start: "zero" }),
});
