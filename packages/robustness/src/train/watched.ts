/** @file What the step tells of its attack at no further pass, as moving averages over the last ten steps or so. */
import { add, convert, div, gt, lt, maximum, mean, mul, stopGradient, sum, type Value, zeros } from "@gradalign/tensor";
import { alignment } from "../diagnostics/gradient-alignment.ts";
import type { Witness } from "../methods/network.ts";
import type { Params } from "../nn/params.ts";

/** What of an average a step leaves. */
const KEPT = 0.9;

/** Averages that are not divided by their weights yet, float32 scalars; empty where nothing is watched. */
export interface Watched extends Params {
  readonly alignment: Value;
  /** The weight of `alignment`: less than that of `fallen` where gradients were zero. */
  readonly aligned: Value;
  readonly fallen: Value;
  readonly seen: Value;
}

/** Averages of nothing. */
export function nothingWatched(): Watched {
  return { alignment: zeros([]), aligned: zeros([]), fallen: zeros([]), seen: zeros([]) };
}

/** The averages after a step; as they were, where the method has no attack. */
export function nextWatched(before: Watched, { began, trained }: Witness): Watched {
  if (!began || !trained) return before;
  const { cosine, defined } = alignment(stopGradient(began.gradient), stopGradient(trained.gradient));
  const count = sum(convert(defined, "float32"));
  const fell = mean(convert(lt(stopGradient(trained.losses), stopGradient(began.losses)), "float32"));
  const mixed = (average: Value, value: Value | number): Value => add(mul(average, KEPT), mul(value, 1 - KEPT));
  return {
    alignment: mixed(before.alignment, div(sum(cosine), maximum(count, 1))),
    aligned: mixed(before.aligned, convert(gt(count, 0), "float32")),
    fallen: mixed(before.fallen, fell),
    seen: mixed(before.seen, 1),
  };
}

/** The averages on the host. */
export interface AttackSigns {
  /** Mean cosine of the attack's first gradient and the input gradient of the training pass; null where it was never defined. */
  readonly attack_alignment: number | null;
  /** Share of the examples whose loss was lower where they were trained on than where the attack began. */
  readonly fallen_losses: number | null;
}

/** Reads the averages. */
export function attackSigns({ alignment, aligned, fallen, seen }: Readonly<Record<keyof Watched & string, number>>): AttackSigns {
  const ratio = (value = 0, weight = 0): number | null => (weight > 0 ? value / weight : null);
  return { attack_alignment: ratio(alignment, aligned), fallen_losses: ratio(fallen, seen) };
}
