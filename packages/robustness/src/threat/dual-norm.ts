/** @file The norm in which gradients are measured: what a step of length 1 gains at most. */
import { abs, max, sum, type Value } from "@gradalign/tensor";
import { pixels } from "./examples.ts";
import { l2 } from "./l2.ts";
import type { Threat } from "./threat.ts";

/** The largest rise of a linear loss with this gradient on a step of length 1: [N]. */
export function dualNorm({ name }: Pick<Threat, "name">, gradient: Value): Value {
  if (name === "linf") return sum(abs(gradient), pixels(gradient));
  return name === "l1" ? max(abs(gradient), pixels(gradient)) : l2.distance(gradient);
}
