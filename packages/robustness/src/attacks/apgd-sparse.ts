/**
 * @file Auto-PGD in l1: sparse steps of signs, whose number of pixels follows the best point's (Croce & Hein 2021, "Mind the box: l1-APGD for
 * sparse adversarial attacks on image classifiers", algorithm 1).
 */
import {
  abs,
  add,
  and,
  clamp,
  convert,
  div,
  eq,
  floor,
  ge,
  gt,
  lt,
  max,
  maximum,
  minimum,
  mul,
  normal,
  not,
  sign,
  sub,
  sum,
  type Value,
  where,
  zeros,
} from "@gradalign/tensor";
import { bisect, byDifference } from "../threat/bisection.ts";
import { perExample, pixels } from "../threat/examples.ts";
import type { AttackSite, Differentiated, Moment } from "./attack.ts";

/** Points and gradients are [N, C, H, W], all others [N]. */
export type SparseState = {
  readonly point: Value;
  readonly gradient: Value;
  readonly best: Value;
  readonly bestGradient: Value;
  readonly bestLoss: Value;
  readonly adversarial: Value;
  readonly found: Value;
  readonly length: Value;
  /** Part of the pixels that a step changes. */
  readonly share: Value;
  /** Pixels in which the best point differed from the image at the last check. */
  readonly changed: Value;
};

/** Radii as multiples of epsilon and the steps taken in each. */
function phases(steps: number, shrinking: boolean): { readonly radius: number; readonly steps: number }[] {
  const part = Math.ceil(0.3 * steps);
  const last = { radius: 1, steps: shrinking ? steps - 2 * part : steps };
  return shrinking ? [{ radius: 3, steps: part }, { radius: 2, steps: part }, last] : [last];
}

/** What varies from step to step. A phase after the first begins with a step more, back into its ball, from which it begins anew. */
export function sparseSchedule(steps: number, shrinking: boolean, { iteration, epsilon }: Pick<Moment, "iteration" | "epsilon">) {
  const all = phases(steps, shrinking);
  let left = iteration;
  for (const [i, phase] of all.entries()) {
    const extra = i > 0 ? 1 : 0;
    if (left >= phase.steps + extra && i < all.length - 1) {
      left -= phase.steps + extra;
      continue;
    }
    const step = left - extra;
    const check = step >= 0 && (step + 1) % Math.max(Math.floor(0.04 * phase.steps), 1) === 0;
    return { radius: phase.radius * epsilon, anew: step < 0 ? 1 : 0, check: check ? 1 : 0, counts: phase.radius === 1 ? 1 : 0 };
  }
  return { radius: epsilon, anew: 0, check: 0, counts: 1 };
}

type Schedule = Readonly<Record<"radius" | "anew" | "check" | "counts", Value>>;

/** The state before the first step, at a random point of the first ball. */
export function sparseStart(site: AttackSite, shrinking: boolean, at: (point: Value) => Differentiated): SparseState {
  const { x, threat, keys } = site;
  const { radius } = site.schedule as Schedule;
  const point = add(x, threat.within(x, normal(keys, x.shape), radius));
  const state = begun(site, point, at(point));
  const none = zeros(state.share.shape);
  return shrinking ? state : { ...state, share: add(none, 0.2), changed: add(none, sizeOf(x)) };
}

/** The state at a point where a phase begins. */
function begun(site: AttackSite, point: Value, { logits, losses, gradient }: Differentiated): SparseState {
  const { x } = site;
  const { radius, counts } = site.schedule as Schedule;
  const changed = differing(point, x);
  return {
    ...{ point, gradient, best: point, bestGradient: gradient, bestLoss: losses, adversarial: point },
    found: mul(convert(site.victim.fooled(logits), "float32"), counts),
    length: add(mul(losses, 0), radius),
    share: shareOf(changed, x),
    changed,
  };
}

/** The state after a step. */
export function sparseStep(site: AttackSite, state: SparseState, at: (point: Value) => Differentiated): SparseState {
  const { x, threat } = site;
  const { radius, anew, check, counts } = site.schedule as Schedule;
  const fresh = gt(anew, 0);
  const ahead = add(state.point, mul(sparseSigns(state.gradient, state.share), perExample(state.length, x)));
  const point = add(x, threat.within(x, sub(where(fresh, state.best, ahead), x), radius));
  const found = at(point);
  const restarted = begun(site, point, found);

  const spread = (v: Value): Value => perExample(v, x);
  const wrong = and(site.victim.fooled(found.logits), gt(counts, 0));
  const first = and(wrong, lt(state.found, 1));
  const better = gt(found.losses, state.bestLoss);
  const best = where(spread(better), point, state.best);
  const bestGradient = where(spread(better), found.gradient, state.bestGradient);
  const changed = differing(best, x);
  const checks = gt(add(mul(found.losses, 0), check), 0);
  // Where the best point has become sparser, long steps begin anew from it.
  const sparser = and(checks, lt(div(changed, state.changed), 0.95));
  const shorter = minimum(maximum(div(state.length, 1.5), div(radius, 10)), radius);
  const next: SparseState = {
    point: where(spread(sparser), best, point),
    gradient: where(spread(sparser), bestGradient, found.gradient),
    best,
    bestGradient,
    bestLoss: where(better, found.losses, state.bestLoss),
    adversarial: where(spread(first), point, state.adversarial),
    found: where(wrong, 1, state.found),
    length: where(checks, where(sparser, add(mul(found.losses, 0), radius), shorter), state.length),
    share: where(checks, shareOf(changed, x), state.share),
    changed: where(checks, changed, state.changed),
  };
  return Object.fromEntries(Object.entries(next).map(([name, leaf]) => [name, where(fresh, restarted[name as keyof SparseState], leaf)])) as SparseState;
}

/** Signs of the largest entries, so many that they are `share` of all, divided by how many those are: a step of length 1 in l1. */
export function sparseSigns(gradient: Value, share: Value): Value {
  const size = abs(gradient);
  const count = sizeOf(gradient);
  const kept = sub(count, clamp(floor(mul(sub(1, share), count)), 0, count - 1));
  const enough = (threshold: Value): Value => ge(total(convert(ge(size, perExample(threshold, size)), "float32")), kept);
  const top = max(size, pixels(size));
  const { low } = bisect({ low: mul(top, 0), high: mul(top, 2) }, byDifference, enough);
  const signs = where(ge(size, perExample(low, size)), sign(gradient), 0);
  return div(signs, perExample(add(total(abs(signs)), 1e-10), signs));
}

function shareOf(changed: Value, x: Value): Value {
  return div(div(changed, sizeOf(x)), 1.5);
}

/** In how many pixels a point differs from its image. */
function differing(point: Value, x: Value): Value {
  return total(convert(not(eq(point, x)), "float32"));
}

function total(v: Value): Value {
  return sum(v, pixels(v));
}

function sizeOf({ shape }: Value): number {
  return shape.slice(1).reduce((product, extent) => product * extent, 1);
}
