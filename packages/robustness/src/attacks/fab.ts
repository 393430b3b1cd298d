/**
 * @file The fast adaptive boundary attack: steps to where the linearised classifier changes its answer, drawn towards the image, so that the
 * nearest adversarial point is found (Croce & Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary attack").
 *
 * epsilon is only where restarts begin and what is accepted; `norm` in the state is the length of the least perturbation found.
 */
import {
  abs,
  add,
  and,
  broadcastAlong,
  clamp,
  convert,
  div,
  eq,
  full,
  le,
  lt,
  maximum,
  minimum,
  mul,
  normal,
  sub,
  sum,
  uniform,
  type Value,
  where,
  zeros,
} from "@gradalign/tensor";
import { LARGEST } from "../nn/finite.ts";
import { targetMarginPerExample } from "../nn/margins.ts";
import { constant, type ValuesOf } from "../options/option.ts";
import { dualNorm } from "../threat/dual-norm.ts";
import { pixels } from "../threat/examples.ts";
import type { Attack, AttackSite } from "./attack.ts";
import { type AimOptions, aims, byTargets, part, restarts, steps } from "./options.ts";

const OPTIONS = {
  steps: steps(100),
  restarts: restarts("runs: the first begins at the image, the others half-way to the sphere"),
  alpha: part(0.1, "largest weight of the image in a step"),
  overshoot: constant({ above: 0, most: 10, default: 1.05, help: "how far a step goes, as a multiple of the way to the boundary", remedy: "write e.g. 1.05" }),
  beta: part(0.9, "what part of an adversarial perturbation is kept for the next step"),
};

/** Settings of {@link fab} and {@link fabT}. */
export type FabOptions = ValuesOf<typeof OPTIONS> & AimOptions;

type FabState = {
  readonly point: Value;
  readonly best: Value;
  /** Length of the least adversarial perturbation, [N]; the largest float32 before there is one. */
  readonly norm: Value;
  /** 1 where that is within epsilon. */
  readonly found: Value;
};

/** Where the linearised classifier changes its answer: `normal` · (x - point) + `residual` = 0, per example. */
interface Boundary {
  readonly residual: Value;
  readonly normal: Value;
}

/** To the nearest of all boundaries; a backward pass for each class. */
export const fab = fabAttack("fab", ({ victim, labels, threat }, point) => {
  const classes = Array.from({ length: victim.classes }, (_, k) => k);
  const { losses, gradients } = victim.gradients(point, (logits) => classes.map((k) => targetMarginPerExample(logits, labels, full(labels.shape, k, "int32"))));
  const boundaries = classes.map((k) => {
    const [residual, slope] = [losses[k] as Value, gradients[k] as Value];
    return { residual, normal: slope, distance: where(eq(labels, k), LARGEST, div(abs(residual), add(dualNorm(threat, slope), 1e-12))) };
  });
  return boundaries.reduce((nearest, other) => {
    const nearer = lt(other.distance, nearest.distance);
    return {
      residual: where(nearer, other.residual, nearest.residual),
      normal: where(spread(nearer, point), other.normal, nearest.normal),
      distance: minimum(other.distance, nearest.distance),
    };
  });
});

/** To the boundaries with one class after another. */
export const fabT = fabAttack(
  "fab-t",
  ({ victim, labels, target }, point) => {
    const { losses, gradient } = victim.gradient(point, (logits) => targetMarginPerExample(logits, labels, target));
    return { residual: losses, normal: gradient };
  },
  aims(),
);

function fabAttack(id: string, boundary: (site: AttackSite, point: Value) => Boundary, aiming?: ReturnType<typeof aims>): Attack<FabOptions, FabState> {
  return {
    id,
    help: `the shortest way to the decision boundary${aiming ? " with one class after another" : ""}; a success if that is within ε`,
    paper: "Croce, Hein 2020, Minimally distorted adversarial examples with a fast adaptive boundary attack",
    options: { ...OPTIONS, ...aiming },
    targeted: aiming !== undefined,
    structural: [],
    steps: ({ steps }) => steps,
    ...byTargets,
    schedule: ({ alpha, overshoot, beta, restarts }, { run }) => ({ alpha, overshoot, beta, away: run % restarts === 0 ? 0 : 0.5 }),
    init({ x, threat, epsilon, keys, schedule }) {
      const direction = threat.name === "linf" ? uniform(keys, x.shape, -1, 1) : normal(keys, x.shape);
      const unit = div(direction, spread(maximum(threat.distance(direction), 1e-12), x));
      const none = zeros(x.shape.slice(0, 1));
      return { point: clamp(add(x, mul(mul(unit, epsilon), schedule["away"] as Value)), 0, 1), best: x, norm: add(none, LARGEST), found: none };
    },
    step(site, state) {
      const { x, threat, victim, epsilon } = site;
      const { alpha: most, overshoot, beta } = site.schedule as Readonly<Record<"alpha" | "overshoot" | "beta", Value>>;
      const { point } = state;
      const { residual, normal: w } = boundary(site, point);
      const back = sub(x, point);
      const fromPoint = threat.toHyperplane(point, w, residual);
      const fromImage = threat.toHyperplane(x, w, add(residual, sum(mul(w, back), pixels(x))));
      const [near, far] = [fromPoint, fromImage].map((way) => maximum(threat.distance(way), 1e-8)) as [Value, Value];
      const alpha = spread(clamp(div(near, add(near, far)), 0, most), x);
      const moved = clamp(add(mul(add(point, mul(fromPoint, overshoot)), sub(1, alpha)), mul(add(x, mul(fromImage, overshoot)), alpha)), 0, 1);
      const wrong = victim.fooled(victim.logits(moved));
      const norm = threat.distance(sub(moved, x));
      const nearer = and(wrong, lt(norm, state.norm));
      const least = where(nearer, norm, state.norm);
      return {
        point: where(spread(wrong, x), add(x, mul(sub(moved, x), beta)), moved),
        best: where(spread(nearer, x), moved, state.best),
        norm: least,
        found: convert(le(least, epsilon), "float32"),
      };
    },
    // What is farther away than epsilon is no success of this attack, and projecting it would make another one of it.
    finish: ({ x }, { best, found }) => mul(sub(best, x), spread(found, x)),
    found: "found",
  };
}

function spread(v: Value, x: Value): Value {
  return broadcastAlong(v, x.shape, [0]);
}
