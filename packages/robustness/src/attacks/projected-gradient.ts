/** @file Attacks that repeat projected steps of steepest ascent: FGSM, PGD and what training methods make of them. */
import { abs, add, div, mean, mul, stopGradient, type Value, zeros } from "@gradalign/tensor";
import { choice, constant, type ValuesOf } from "../options/option.ts";
import { boxDelta } from "../threat/box.ts";
import { perExample, pixels } from "../threat/examples.ts";
import { type Attack, type AttackSite, checkThreat, type Slope } from "./attack.ts";
import { restarts, steps } from "./options.ts";

/** The options of the family, with an attack's defaults. */
export function ascentOptions(defaults: { readonly steps: number; readonly stepSize: number; readonly start: "zero" | "random" }) {
  return {
    steps: steps(defaults.steps),
    stepSize: constant({
      above: 0,
      most: 100,
      unit: "ε",
      default: defaults.stepSize,
      help: "length of a step as a multiple of ε (the paper's α / ε)",
      remedy: "write e.g. 0.25 for a quarter of the radius",
    }),
    start: choice(["zero", "random"], { default: defaults.start, help: "where in the ball it begins" }),
    restarts: restarts("runs, each from a point of its own"),
  };
}

/** Settings of the family. */
export type AscentOptions = ValuesOf<ReturnType<typeof ascentOptions>> & {
  /** Share of the sum of earlier gradients that is kept; none unless set. */
  readonly momentum?: number;
};

/** The perturbation, and, with momentum, the sum of gradients that is followed. */
type AscentState = { readonly delta: Value; readonly slope?: Value };

/** An attack of the family. */
export type AscentAttack = Attack<AscentOptions, AscentState, Slope>;

/** Images, ball and radius: what a step of the family depends on besides the gradient. */
export type Ball = Pick<AttackSite, "x" | "threat" | "epsilon">;

/** The perturbation after a step of length `alpha` (pixel units), given the loss's gradient at x + delta. */
export function ascend({ x, threat, epsilon }: Ball, delta: Value, gradient: Value, alpha: Value | number): Value {
  // Both sets contain 0 and, for l-infinity, both are boxes: the order of the two projections does not matter.
  return threat.project(boxDelta(x, threat.project(add(delta, mul(threat.steepest(gradient), alpha)), epsilon)), epsilon);
}

/** One step of all attacks of the family, so that they share compiled programs. */
function step(site: AttackSite<Slope>, { delta, slope }: AscentState, { momentum = 0 }: AscentOptions): AscentState {
  const gradient = site.victim.ascent(add(site.x, delta));
  const length = site.schedule["length"] as Value;
  if (!slope) return { delta: ascend(site, delta, gradient, length) };
  // MI-FGSM: Dong et al. 2018, "Boosting adversarial attacks with momentum", equation 6.
  const size = add(mean(abs(gradient), pixels(gradient)), 1e-12);
  const followed = add(mul(slope, momentum), div(gradient, perExample(size, gradient)));
  return { delta: ascend(site, delta, followed, length), slope: followed };
}

/** An attack of the family; `finish` may replace the result, and `start` where it begins: it need not respect the box. */
export function projectedGradientAttack(
  description: Pick<AscentAttack, "id" | "paper" | "help" | "options" | "threats" | "numbers">,
  {
    start = ({ x, threat, epsilon, keys }, options) => (options.start === "random" ? threat.randomStart(keys, x.shape, epsilon) : zeros(x.shape)),
    finish = (_, delta) => delta,
  }: {
    readonly start?: (site: AttackSite<Slope>, options: AscentOptions) => Value;
    readonly finish?: (site: AttackSite<Slope>, delta: Value) => Value;
  } = {},
): AscentAttack {
  return {
    ...description,
    structural: ["momentum"],
    selection: "highest-loss",
    steps: ({ steps }) => steps,
    runs: ({ restarts }) => restarts,
    schedule: ({ stepSize }, { epsilon }) => ({ length: stepSize * epsilon }),
    init: (site, options) => ({ delta: start(site, options), ...(options.momentum ? { slope: zeros(site.x.shape) } : {}) }),
    step,
    finish: (site, { delta }) => finish(site, delta),
  };
}

/** What an attack unrolled into a training step runs on. */
export interface UnrolledAttack {
  readonly site: Ball;
  /** Gradient of the loss at a point, with respect to the point. */
  readonly gradient: (point: Value) => Value;
  readonly key: Value;
  readonly options: AscentOptions;
  /** Length of a step in pixel units; `stepSize` times epsilon unless set. */
  readonly alpha?: Value | number;
}

/**
 * The perturbation an attack finds, as part of a larger program; it counts as constant there.
 *
 * @throws ConfigError for an attack that is not defined in the site's threat model.
 */
export function unrollAttack(attack: AscentAttack, { site, gradient, key, options, alpha }: UnrolledAttack): Value {
  checkThreat(attack, site.threat);
  const length = alpha ?? mul(site.epsilon, options.stepSize);
  const none = zeros([site.x.shape[0] as number], "int32");
  const at = (iteration: number): AttackSite<Slope> => ({
    ...site,
    victim: { ascent: (point) => stopGradient(gradient(point)) },
    labels: none,
    target: none,
    keys: key,
    iteration,
    schedule: { length },
  });
  let state = attack.init(at(0), options);
  for (let i = 0; i < options.steps; i++) state = attack.step(at(i), state, options);
  return stopGradient(attack.finish(at(options.steps), state, options));
}
