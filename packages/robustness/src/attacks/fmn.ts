/**
 * @file The fast minimum-norm attack: steps up the loss inside a ball that shrinks while the point fools and grows while it does not (Pintor et
 * al. 2021, "Fast minimum-norm adversarial attacks through adaptive norm constraints").
 *
 * One run at a large epsilon gives the accuracy at every smaller one: images do not leave when they are broken, and the norms reported are
 * those of the least perturbations found.
 */
import { abs, add, and, broadcastAlong, clamp, div, le, lt, maximum, minimum, mul, not, sub, type Value, where, zeros } from "@gradalign/tensor";
import { isCorrect } from "../nn/cross-entropy.ts";
import { LARGEST } from "../nn/finite.ts";
import { marginPerExample } from "../nn/margins.ts";
import { constant, type ValuesOf } from "../options/option.ts";
import { dualNorm } from "../threat/dual-norm.ts";
import { l2 } from "../threat/l2.ts";
import type { Attack } from "./attack.ts";
import { part, steps } from "./options.ts";

const OPTIONS = {
  steps: steps(100),
  firstStep: constant({ above: 0, most: 1000, default: 1, help: "length of the first step, in ℓ2", remedy: "write e.g. 1" }),
  lastStep: constant({ least: 0, most: 1000, default: 0.01, help: "length of the last step, in ℓ2", remedy: "write e.g. 0.01" }),
  firstChange: part(0.05, "by which part the ball shrinks or grows after the first step"),
  lastChange: part(0.001, "the same after the last step"),
};

/** Settings of {@link fmn}. */
export type FmnOptions = ValuesOf<typeof OPTIONS>;

type FmnState = {
  readonly delta: Value;
  /** Radius of the ball of each image: [N]. */
  readonly radius: Value;
  readonly best: Value;
  /** Length of the best perturbation, [N]; the largest float32 before there is one. */
  readonly norm: Value;
};

/** The least perturbation of each image. */
export const fmn: Attack<FmnOptions, FmnState> = {
  id: "fmn",
  paper: "Pintor, Roli, Brendel, Biggio 2021, Fast minimum-norm adversarial attacks",
  help: "the least perturbation that fools: at a large ε, one run gives the accuracy at every smaller one",
  options: OPTIONS,
  threats: ["linf", "l2"],
  structural: [],
  steps: ({ steps }) => steps,
  schedule({ steps, firstStep, lastStep, firstChange, lastChange }, { iteration }) {
    const cosine = (first: number, last: number): number => last + ((first - last) * (1 + Math.cos((Math.PI * iteration) / steps))) / 2;
    return { length: cosine(firstStep, lastStep), change: cosine(firstChange, lastChange) };
  },
  init({ x }) {
    const largest = add(zeros(x.shape.slice(0, 1)), LARGEST);
    return { delta: zeros(x.shape), radius: largest, best: zeros(x.shape), norm: largest };
  },
  step({ x, threat, labels, victim, schedule }, { delta, radius, best, norm }) {
    const { length, change } = schedule as Readonly<Record<"length" | "change", Value>>;
    const { logits, losses, gradient } = victim.gradient(add(x, delta), (at) => marginPerExample(at, labels));
    const spread = (v: Value): Value => broadcastAlong(v, x.shape, [0]);
    const wrong = not(isCorrect(logits, labels));
    const size = threat.distance(delta);
    const nearer = and(wrong, lt(size, norm));
    const least = where(nearer, size, norm);
    // Before anything fooled, the radius is where the linearised loss would change its sign.
    const outward = where(lt(least, LARGEST), mul(radius, add(1, change)), add(size, div(abs(losses), maximum(dualNorm(threat, gradient), 1e-12))));
    const next = where(wrong, minimum(mul(minimum(radius, LARGEST / 2), sub(1, change)), least), outward);
    const moved = add(delta, mul(l2.steepest(gradient), length));
    // The ball of each image is the unit ball of its perturbation divided by the radius.
    const unit = maximum(next, 1e-12);
    const inside = mul(threat.project(div(moved, spread(unit)), 1), spread(next));
    return { delta: sub(clamp(add(x, inside), 0, 1), x), radius: next, best: where(spread(nearer), delta, best), norm: least };
  },
  finish: ({ x, epsilon }, { best, norm }) => where(broadcastAlong(le(norm, epsilon), x.shape, [0]), best, mul(x, 0)),
};
