/**
 * @file Auto-PGD: projected gradient ascent with momentum whose step is halved where the loss stops rising (Croce & Hein 2020, "Reliable
 * evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks", algorithm 1).
 *
 * As in the authors' code the first check compares the oldest loss with 0, and after a return to the best point the momentum still counts
 * from the point before. Of several adversarial points the first is kept, where theirs keeps the last: an image that has one need not be
 * attacked further.
 */
import {
  add,
  and,
  broadcastAlong,
  ConfigError,
  convert,
  div,
  ge,
  gt,
  le,
  lt,
  mul,
  normal,
  or,
  sub,
  uniform,
  type Value,
  where,
  zeros,
} from "@gradalign/tensor";
import { crossEntropyPerExample } from "../nn/cross-entropy.ts";
import { dlrPerExample, targetedDlrPerExample } from "../nn/margins.ts";
import { choice, type ValuesOf } from "../options/option.ts";
import { type SparseState, sparseSchedule, sparseStart, sparseStep } from "./apgd-sparse.ts";
import type { Attack, AttackSite, Differentiated } from "./attack.ts";
import { averagedGradient, eot } from "./eot.ts";
import { type AimOptions, aims, byTargets, part, restarts, steps } from "./options.ts";

const OPTIONS = {
  steps: steps(100),
  restarts: restarts(),
  eot: eot(),
  radii: choice(["constant", "shrinking"], {
    default: "constant",
    help: "in ℓ1: whether three tenths of the steps are taken in balls of 3 ε and of 2 ε before",
  }),
  rho: part(0.75, "part of the steps between two checks in which the loss must rise, or the step is halved"),
};

/** Settings of {@link apgdCe} and its kin. */
export type ApgdOptions = ValuesOf<typeof OPTIONS> & AimOptions;

/** How the loss has gone, [N] each; flags are 0 or 1. */
export type ApgdProgress = {
  readonly bestLoss: Value;
  /** The loss of the last step. */
  readonly loss: Value;
  /** Steps since the last check in which the loss rose. */
  readonly rises: Value;
  /** The best loss at the last check. */
  readonly checkedLoss: Value;
  /** Whether the step was halved at the last check. */
  readonly halved: Value;
  readonly length: Value;
};

/** Points and gradients are [N, C, H, W]. */
type ApgdState = ApgdProgress & {
  readonly point: Value;
  readonly before: Value;
  readonly gradient: Value;
  readonly best: Value;
  readonly bestGradient: Value;
  readonly adversarial: Value;
  readonly found: Value;
};

type Loss = (logits: Value, site: AttackSite) => Value;

/** On cross-entropy. */
export const apgdCe = apgd({ id: "apgd-ce", climbs: "cross-entropy", loss: (logits, { labels }) => crossEntropyPerExample(logits, labels) });

/** On the difference of logits ratio. */
export const apgdDlr = {
  ...apgd({ id: "apgd-dlr", climbs: "the difference of logits ratio", loss: (logits, { labels }) => dlrPerExample(logits, labels) }),
  fewestClasses: 3,
};

/** On the targeted difference of logits ratio, for one class after another. */
export const apgdT = {
  ...apgd({
    id: "apgd-t",
    climbs: "the difference of logits ratio towards one wrong class after another",
    loss: (logits, { labels, target }) => targetedDlrPerExample(logits, labels, target),
    aims: aims(),
  }),
  fewestClasses: 4,
};

function apgd({
  id,
  climbs,
  loss,
  aims: aiming,
}: {
  readonly id: string;
  /** What it climbs, in words. */
  readonly climbs: string;
  readonly loss: Loss;
  readonly aims?: ReturnType<typeof aims>;
}): Attack<ApgdOptions, ApgdState | SparseState> {
  const at = (site: AttackSite, point: Value, { eot }: ApgdOptions): Differentiated => averagedGradient(site, point, eot, (logits) => loss(logits, site));
  return {
    id,
    paper: "Croce, Hein 2020, Reliable evaluation of adversarial robustness",
    help: `projected gradient ascent that adapts its step, on ${climbs}`,
    options: { ...OPTIONS, ...aiming },
    targeted: aiming !== undefined,
    structural: ["eot"],
    steps: ({ steps, radii }) => steps + (radii === "shrinking" ? 2 : 0),
    ...byTargets,
    schedule({ steps, rho, radii }, moment) {
      const { iteration, threat } = moment;
      if (threat.name === "l1") return sparseSchedule(steps, radii === "shrinking", moment);
      if (radii === "shrinking") throw new ConfigError(`attack: ${id}: radii (="shrinking") must be constant in ${threat.name}; it is l1's`);
      const window = checkWindows(steps).get(iteration);
      return { momentum: iteration === 0 ? 1 : 0.75, check: window === undefined ? 0 : 1, fewest: rho * (window ?? 0) };
    },
    init(site, options) {
      const { x, epsilon, threat, keys } = site;
      if (threat.name === "l1") return sparseStart(site, options.radii === "shrinking", (point) => at(site, point, options));
      const direction = threat.name === "linf" ? uniform(keys, x.shape, -1, 1) : normal(keys, x.shape);
      // On the sphere, not in the ball: its farthest pixel, or its Euclidean norm, is epsilon.
      const start = threat.name === "linf" ? div(direction, spread(add(threat.distance(direction), 1e-12), x)) : threat.steepest(direction);
      const point = add(x, threat.within(x, mul(start, epsilon), epsilon));
      return stateAt(site, point, at(site, point, options));
    },
    step(site, state, options) {
      if ("share" in state) return sparseStep(site, state, (point) => at(site, point, options));
      const { x, threat, epsilon, schedule } = site;
      const { momentum, check, fewest } = schedule as { readonly momentum: Value; readonly check: Value; readonly fewest: Value };
      const within = (point: Value): Value => add(x, threat.within(x, sub(point, x), epsilon));
      const ahead = within(add(state.point, mul(threat.steepest(state.gradient), spread(state.length, x))));
      const moved = add(mul(momentum, sub(ahead, state.point)), mul(sub(1, momentum), sub(state.point, state.before)));
      const point = within(add(state.point, moved));
      const { logits, losses, gradient } = at(site, point, options);

      const wrong = site.victim.fooled(logits);
      const first = and(wrong, le(state.found, 0));
      const better = gt(losses, state.bestLoss);
      const best = where(spread(better, x), point, state.best);
      const bestGradient = where(spread(better, x), gradient, state.bestGradient);
      const progress = progressed(state, losses, { check, fewest });
      const back = spread(lt(progress.length, state.length), x);
      return {
        ...progress,
        point: where(back, best, point),
        before: state.point,
        gradient: where(back, bestGradient, gradient),
        best,
        bestGradient,
        adversarial: where(spread(first, x), point, state.adversarial),
        found: where(wrong, 1, state.found),
      };
    },
    finish: ({ x }, { found, adversarial, best }) => sub(where(spread(gt(found, 0), x), adversarial, best), x),
    found: "found",
  };
}

/** The state of an attack that begins at a point. */
export function stateAt({ epsilon, victim }: Pick<AttackSite, "epsilon" | "victim">, point: Value, { logits, losses, gradient }: Differentiated): ApgdState {
  const none = zeros(losses.shape);
  return {
    point,
    before: point,
    gradient,
    best: point,
    bestGradient: gradient,
    bestLoss: losses,
    loss: none,
    rises: none,
    checkedLoss: losses,
    halved: add(none, 1),
    length: add(none, mul(epsilon, 2)),
    adversarial: point,
    found: convert(victim.fooled(logits), "float32"),
  };
}

/** After a step to points of these losses; where `check` is 1 the step is halved if fewer than `fewest` steps rose, or if nothing is better than at the last check. */
export function progressed(state: ApgdProgress, losses: Value, { check, fewest }: { readonly check: Value; readonly fewest: Value }): ApgdProgress {
  const bestLoss = where(gt(losses, state.bestLoss), losses, state.bestLoss);
  const rises = add(state.rises, convert(gt(losses, state.loss), "float32"));
  const checks = gt(add(zeros(losses.shape), check), 0);
  const stalled = and(le(state.halved, 0), ge(state.checkedLoss, bestLoss));
  const halve = and(checks, or(le(rises, fewest), stalled));
  return {
    bestLoss,
    loss: losses,
    rises: where(checks, 0, rises),
    checkedLoss: where(checks, bestLoss, state.checkedLoss),
    halved: where(checks, convert(halve, "float32"), state.halved),
    length: mul(state.length, where(halve, 0.5, 1)),
  };
}

/** Numbers [N] spread over the pixels of x. */
function spread(v: Value, x: Value): Value {
  return broadcastAlong(v, x.shape, [0]);
}

/** The steps after which the loss's course is checked, and how many steps each looks back on: after 22, 41, 57, 70, 80, 87, 93 and 99 of 100. */
export function checkWindows(steps: number): ReadonlyMap<number, number> {
  const part = (share: number): number => Math.max(Math.floor(share * steps), 1);
  const windows = new Map<number, number>();
  for (let window = part(0.22), after = window; after <= steps; window = Math.max(window - part(0.03), part(0.06)), after += window) {
    windows.set(after - 1, window);
  }
  return windows;
}
