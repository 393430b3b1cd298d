/** @file Standard training: no adversary. */
import { defineMethod } from "./method.ts";

/** The loss at x. As in the paper's code an extra clean pass, there to monitor gradients, also moves the statistics. */
export const standard = defineMethod({
  id: "standard",
  paper: "no adversary",
  formula: "ℓ(x)",
  trainsOn: "the images",
  options: {},
  passes: () => ({ forward: 2, backward: 1 }),
  loss({ network, x }) {
    network.forward(x);
    return { adversarial: network.forward(x) };
  },
});
