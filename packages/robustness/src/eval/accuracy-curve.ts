/** @file The accuracy at every radius from one attack: a perturbation that was found breaks its image at its own norm and at all larger radii. */
import { ConfigError } from "@gradalign/tensor";
import type { ImageOutcome } from "./attack-course.ts";

/** A radius, and the share of images that nothing found breaks within it. */
export interface RadiusBound {
  readonly epsilon: number;
  readonly accuracy: number;
}

/**
 * Upper bounds of the accuracy at radii up to that of an attack, beyond which nothing is known. After an attack that looks for the least
 * perturbation, `fmn`, each is what the attack at that very radius leaves; after others, which use all of their radius, only the last
 * says much.
 *
 * @param epsilon the attack's radius.
 * @throws ConfigError for a radius beyond it.
 */
export function accuracyCurve(outcomes: readonly Pick<ImageOutcome, "clean" | "robust" | "norm">[], epsilon: number, radii: readonly number[]): RadiusBound[] {
  const wrong = radii.find((radius) => !(radius >= 0 && radius <= epsilon));
  if (wrong !== undefined) throw new ConfigError(`accuracyCurve: radii (=${wrong}) must be from 0 to the attack's ${epsilon}; attack at a larger one`);
  const clean = outcomes.filter((outcome) => outcome.clean);
  // What was found is inside the ball, but for rounding.
  const norms = clean.filter(({ robust }) => !robust).map(({ norm }) => (Number.isFinite(norm) ? Math.min(norm, epsilon) : epsilon));
  const left = (radius: number): number => clean.length - norms.filter((norm) => norm <= radius).length;
  return radii.map((radius) => ({ epsilon: radius, accuracy: outcomes.length > 0 ? left(radius) / outcomes.length : 0 }));
}
