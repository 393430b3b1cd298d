/** @file Training on random corners of the ball: as large as FGSM's perturbations, but not adversarial. */
import { add } from "@gradalign/tensor";
import { randomSigns } from "../attacks/random-corner.ts";
import { defineMethod } from "./method.ts";

/** The loss at x plus random signs times epsilon, not clipped to the box (paper's code). */
export const randomCorner = defineMethod({
  id: "random-corner",
  paper: "Andriushchenko, Flammarion 2020, section 3",
  formula: "ℓ(x + ε s), s random signs",
  trainsOn: "ε times random signs",
  options: {},
  passes: () => ({ forward: 2, backward: 1 }),
  loss({ network, x, epsilon, key }) {
    const delta = randomSigns(key, x.shape, epsilon);
    network.forward(x);
    return { adversarial: network.forward(add(x, delta)) };
  },
});
