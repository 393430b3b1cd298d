/** @file Expectation over transformation: gradients averaged over passes, against classifiers that answer at random (Athalye et al. 2018). */
import { add, mul, type Value } from "@gradalign/tensor";
import { integer } from "../options/option.ts";
import type { AttackSite, Differentiated } from "./attack.ts";

/** How many gradients a step averages. */
export function eot() {
  return integer({ least: 1, default: 1, help: "gradients averaged per step, against classifiers that answer at random", remedy: "write e.g. 20" });
}

/** A loss at a point, its gradient averaged over `count` passes; losses and answers are the last pass's alone, as in AutoAttack's code. */
export function averagedGradient({ victim }: Pick<AttackSite, "victim">, point: Value, count: number, loss: (logits: Value) => Value): Differentiated {
  const passes = Array.from({ length: count }, () => victim.gradient(point, loss));
  const last = passes.at(-1) as Differentiated;
  if (count === 1) return last;
  const total = passes.map(({ gradient }) => gradient).reduce((a, b) => add(a, b));
  return { ...last, gradient: mul(total, 1 / count) };
}
