/**
 * @file A cheap attack at growing radii, on images that the attacks left: it must break them all before the ball is as large as the box, where
 * every image may become every other.
 */
import type { Subject } from "../attack-rounds.ts";
import { CHEAP, PROBED, type Probe } from "./probe.ts";

/** What a radius leaves. */
export interface Rung {
  readonly epsilon: number;
  /** Images that were left before the first rung. */
  readonly of: number;
  /** How many of them are left. */
  readonly left: number;
}

/** What the rungs are climbed with, as `attackPlan` reads it. */
export const LADDER_ATTACK = `pgd-${CHEAP.pgd.options.steps}-1`;

/** Rungs between the radius and the whole box. */
const BETWEEN = 2;

/**
 * Radius by radius, from epsilon to the largest distance in the box, in equal ratios. What is broken at one is broken at all larger ones.
 *
 * @param survivors images that nothing broke; the first {@link PROBED} are looked at.
 * @param widest the box's diameter, in epsilon's units.
 */
export async function climb(probe: Probe, survivors: readonly Subject[], epsilon: number, widest: number): Promise<Rung[]> {
  const started = survivors.slice(0, PROBED);
  if (started.length === 0 || !(epsilon > 0) || epsilon >= widest) return [];
  const rungs: Rung[] = [];
  let left: readonly Subject[] = started;
  for (let rung = 0; rung <= BETWEEN + 1; rung++) {
    const last = rung === BETWEEN + 1;
    const radius = last ? widest : epsilon * (widest / epsilon) ** (rung / (BETWEEN + 1));
    if (left.length > 0) left = last ? await probe.leftOfBox(left) : await probe.left("pgd", left, radius);
    rungs.push({ epsilon: radius, of: started.length, left: left.length });
  }
  return rungs;
}
