/**
 * @file What an attack is: how it starts and how it steps. The same definition is unrolled inside a compiled training step
 * ({@link unrollAttack}) and looped over from the host at evaluation (`eval/run-attack.ts`), where many steps would make a
 * large program.
 */
import { add, ConfigError, mul, type Operand, stopGradient, type Value, zeros } from "@gradalign/tensor";
import { boxDelta } from "../threat/box.ts";
import type { Threat } from "../threat/threat.ts";

/** The images under attack and what the adversary may do to them. */
export interface AttackSite {
  /** Images [N, C, H, W] in [0, 1]. */
  readonly x: Value;
  readonly threat: Threat;
  /** Radius of the ball. */
  readonly epsilon: Operand;
}

/** An attack's settings. */
export interface AttackOptions {
  /** Gradient steps. */
  readonly steps: number;
  /** Length of a step as a multiple of epsilon (the paper's alpha / epsilon). */
  readonly stepSize: number;
  readonly start: "zero" | "random";
  /** Independent runs, of which the one with the highest final loss counts, per example. */
  readonly restarts: number;
}

/** An attack: one file, one line in the registry. */
export interface Attack {
  readonly id: string;
  /** Where it comes from. */
  readonly paper: string;
  /** Settings at evaluation, unless others are asked for. */
  readonly defaults: AttackOptions;
  /** Names of the threat models it is defined in; all unless set. */
  readonly threats?: readonly string[];
  /** The perturbation before the first step; it need not respect the box. */
  start(site: AttackSite, key: Value, options: AttackOptions): Value;
  /** The perturbation after a step of length `alpha` (pixel units), given the loss's gradient at x + delta. */
  step(site: AttackSite, delta: Value, gradient: Value, alpha: Operand): Value;
  /** The perturbation that counts, given the last one. */
  finish(site: AttackSite, delta: Value): Value;
}

/**
 * Refuses an attack in a threat model it is not defined in.
 *
 * @throws ConfigError
 */
export function checkThreat({ id, threats }: Attack, threat: Threat): void {
  if (threats && !threats.includes(threat.name)) {
    throw new ConfigError(`attack: ${id} is defined in the threat model ${threats.join(", ")} only, got ${threat.name}; use another attack there, e.g. pgd`);
  }
}

/** An attack that repeats projected steepest-ascent steps; `finish` may replace the result. */
export function projectedGradientAttack(
  description: Pick<Attack, "id" | "paper" | "defaults" | "threats">,
  finish: Attack["finish"] = (_, delta) => delta,
): Attack {
  return {
    ...description,
    start: ({ x, threat, epsilon }, key, { start }) => (start === "random" ? threat.randomStart(key, x.shape, epsilon) : zeros(x.shape)),
    // Both sets contain 0 and, for l-infinity, both are boxes: the order of the two projections does not matter.
    step: ({ x, threat, epsilon }, delta, gradient, alpha) =>
      threat.project(boxDelta(x, threat.project(add(delta, mul(threat.steepest(gradient), alpha)), epsilon)), epsilon),
    finish,
  };
}

/** What a traced attack runs on. */
export interface UnrolledAttack {
  readonly site: AttackSite;
  /** Gradient of the loss at a point, with respect to the point. */
  readonly gradient: (point: Value) => Value;
  readonly key: Value;
  readonly options: AttackOptions;
  /** Length of a step in pixel units; `stepSize` times epsilon unless set. */
  readonly alpha?: Operand;
}

/**
 * The perturbation an attack finds, as part of a larger program; it counts as constant there.
 *
 * @throws ConfigError for an attack that is not defined in the site's threat model.
 */
export function unrollAttack(attack: Attack, { site, gradient, key, options, alpha }: UnrolledAttack): Value {
  checkThreat(attack, site.threat);
  let delta = attack.start(site, key, options);
  for (let i = 0; i < options.steps; i++) {
    delta = attack.step(site, delta, stopGradient(gradient(add(site.x, delta))), alpha ?? mul(site.epsilon, options.stepSize));
  }
  return stopGradient(attack.finish(site, delta));
}
