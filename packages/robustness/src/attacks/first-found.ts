/** @file The state of attacks that walk on until they fool the classifier, and keep the first point where they do. */
import { and, broadcastAlong, convert, gt, le, or, type Value, where, zeros } from "@gradalign/tensor";
import type { AttackSite } from "./attack.ts";

/** Perturbations [N, C, H, W]; `found` is 1 where `adversarial` fools: [N]. */
export type FirstFound = { readonly delta: Value; readonly adversarial: Value; readonly found: Value };

/** Before the first step. */
export function nothingFound(delta: Value): FirstFound {
  return { delta, adversarial: delta, found: zeros(delta.shape.slice(0, 1)) };
}

/** After a step to `next` from a point with these answers. */
export function firstFound({ victim }: Pick<AttackSite, "victim">, { delta, adversarial, found }: FirstFound, logits: Value, next: Value): FirstFound {
  const fooled = victim.fooled(logits);
  const first = broadcastAlong(and(fooled, le(found, 0)), delta.shape, [0]);
  return { delta: next, adversarial: where(first, delta, adversarial), found: convert(or(fooled, gt(found, 0)), "float32") };
}

/** What counts: where nothing fooled so far, the last step may have. */
export function whatWasFound({ delta, adversarial, found }: FirstFound): Value {
  return where(broadcastAlong(gt(found, 0), delta.shape, [0]), adversarial, delta);
}
