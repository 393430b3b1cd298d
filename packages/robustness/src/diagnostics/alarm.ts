/**
 * @file The guard's rule: when what a step tells of its attack at no further pass is a reason to look closer, and when what is then seen is a
 * collapse. Pure; what it knows between looks is JSON.
 */

/** What is known between looks. */
export interface AlarmState {
  /** The highest alignment of attack and training so far. */
  readonly aligned: number;
}

/** What the steps since a little while ago tell, each null where it is undefined or the method has no attack. */
export interface Signs {
  readonly attack_alignment: number | null;
  readonly fallen_losses: number | null;
}

/** Before the first look. */
export const NOTHING_SEEN: AlarmState = { aligned: 0 };

/** Share of the highest alignment that must be left. */
const LEFT = 1 / 3;
/** Share of examples whose loss an attack may lower. */
const FALLEN = 0.15;
/** Accuracies under FGSM and PGD, on one batch, that no smooth loss shows: so far apart, and the one so many times the other. */
const [GAP, TIMES] = [0.05, 2];

/** The state after a look, and why to look closer, in words; undefined if there is no reason. */
export function lookedAt(before: AlarmState, { attack_alignment: alignment, fallen_losses: fallen }: Signs): { state: AlarmState; suspicion?: string } {
  const state = { aligned: Math.max(before.aligned, alignment ?? 0) };
  if (alignment !== null && alignment < LEFT * state.aligned) {
    return { state, suspicion: `alignment of attack and training fell from ${state.aligned.toFixed(2)} to ${alignment.toFixed(2)}` };
  }
  if (fallen !== null && fallen > FALLEN) return { state, suspicion: `the loss of ${(100 * fallen).toFixed(0)}% of the examples fell under attack` };
  return { state };
}

/** Whether accuracies under FGSM and PGD, on the same images, confirm a suspicion. */
export function isCollapse(fgsm: number, pgd: number): boolean {
  return fgsm - pgd >= GAP && fgsm >= TIMES * pgd;
}
