/** @file A random corner of the l-infinity ball: as large a perturbation as FGSM's, with no knowledge of the model. */
import { mul, type Operand, type Shape, sign, type Value } from "@gradalign/tensor";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { ascentOptions, projectedGradientAttack } from "./projected-gradient.ts";

/** epsilon times random signs; clipped to the box when it is used as an attack, not so in training (paper's code). */
export function randomSigns(key: Value, shape: Shape, epsilon: Operand): Value {
  return mul(sign(linf.randomStart(key, shape, 1)), epsilon);
}

/** A corner, which the box may cut off. */
export const randomCorner = projectedGradientAttack(
  {
    id: "random-corner",
    paper: "Andriushchenko, Flammarion 2020, section 3",
    help: "a random corner of the ball",
    threats: ["linf"],
    options: ascentOptions({ steps: 0, stepSize: 1, start: "random" }),
  },
  { start: ({ x, keys, epsilon }) => randomSigns(keys, x.shape, epsilon), finish: ({ x }, delta) => boxDelta(x, delta) },
);
