/** @file A random corner of the l-infinity ball: as large a perturbation as FGSM's, with no knowledge of the model. */
import { mul, sign, uniform } from "@gradalign/tensor";
import { boxDelta } from "../threat/box.ts";
import type { Attack } from "./attack.ts";

/** epsilon times random signs; clipped to the box when it is used as an attack, not so in training (paper's code). */
export const randomCorner: Attack = {
  id: "random-corner",
  paper: "Andriushchenko, Flammarion 2020, section 3",
  threats: ["linf"],
  defaults: { steps: 0, stepSize: 1, start: "random", restarts: 1 },
  start: ({ x, epsilon }, key) => mul(sign(uniform(key, x.shape, -1, 1)), epsilon),
  step: (_, delta) => delta,
  finish: ({ x }, delta) => boxDelta(x, delta),
};
