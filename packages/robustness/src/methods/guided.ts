/** @file What GAT and NuAT have in common: a step from random signs, guided by the change of the answers on every other batch. */
import { add, mul, type Operand, sign, stopGradient, sub, type Value, zeros } from "@gradalign/tensor";
import { randomSigns } from "../attacks/random-corner.ts";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import type { Carried, MethodContext } from "./method.ts";
import { carried } from "./method.ts";

/** 0 or 1, whose turn it is. */
export function turns(): Carried {
  return { turn: zeros([]) };
}

/** The step's sizes, in pixel units, and what it climbs. */
export interface GuidedStep {
  /** Size of the random signs. */
  readonly noise: Operand;
  readonly stepSize: Operand;
  /** The loss at a point, and what is added to it on every other batch. */
  climbed(point: Value): { readonly loss: Value; readonly guide: Value };
}

/** The perturbation, a constant, and the turn to carry on. */
export function guidedDelta(
  context: Pick<MethodContext, "network" | "x" | "epsilon" | "ramp" | "key" | "carry">,
  { noise, stepSize, climbed }: GuidedStep,
): { readonly delta: Value; readonly carry: Carried } {
  const { network, x, epsilon, ramp, key } = context;
  const turn = carried(context, "turn");
  const start = boxDelta(x, randomSigns(key, x.shape, mul(noise, ramp)));
  const objective = (point: Value): Value => {
    const { loss, guide } = climbed(point);
    return add(loss, mul(turn, guide));
  };
  const moved = boxDelta(x, add(start, mul(sign(network.gradientOf(objective, add(x, start))), mul(stepSize, ramp))));
  return { delta: stopGradient(boxDelta(x, linf.project(moved, epsilon))), carry: { turn: sub(1, turn) } };
}
