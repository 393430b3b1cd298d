/** @file LAP: before each step the weights are moved along an optimiser's step, the first layers most, and stay moved. */
import { add, div, mul, type Operand, sqrt, square, sub, sum, type Value } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { type Circumstances, choice, constant, type Given, number } from "../options/option.ts";
import { warmupEpochs } from "./common-options.ts";
import { defineMethod, type MethodContext } from "./method.ts";
import { type NoiseStep, noiseStep } from "./noise-step.ts";

/** An attack's sizes in multiples of epsilon, and the authors' strengths by radius in steps of 1/255. */
interface Variant {
  readonly noise: number;
  readonly step: number;
  readonly projected: boolean;
  readonly strengths: readonly (readonly [radius: number, strength: number])[];
}

const VARIANTS = {
  "n-fgsm": {
    noise: 2,
    step: 1,
    projected: false,
    strengths: [
      [8, 0.001],
      [12, 0.002],
      [16, 0.005],
      [32, 0.75],
    ],
  },
  "fgsm-rs": {
    noise: 1,
    step: 1.25,
    projected: true,
    strengths: [
      [8, 0.002],
      [12, 0.03],
      [16, 0.05],
      [32, 0.3],
    ],
  },
  fgsm: {
    noise: 0,
    step: 1,
    projected: true,
    strengths: [
      [8, 0.03],
      [12, 0.058],
      [16, 0.07],
      [32, 0.48],
    ],
  },
} as const satisfies Readonly<Record<string, Variant>>;

/** The strength at the nearest radius. */
function strengthOf({ epsilon }: Circumstances, { variant }: Given): number {
  const { strengths }: Variant = VARIANTS[variant as keyof typeof VARIANTS];
  const far = ([radius]: readonly [number, number]): number => Math.abs(radius - epsilon * 255);
  return strengths.reduce((best, entry) => (far(entry) < far(best) ? entry : best))[1];
}

const SMALLEST = 1e-20;

/** A weight moved along `step` by `share` of its own norm, however long the step is. */
export function movedAlong(weight: Value, step: Value, share: Operand): Value {
  const norm = (values: Value): Value => sqrt(sum(square(values)));
  return add(weight, mul(step, div(mul(share, norm(weight)), add(norm(step), SMALLEST))));
}

/**
 * Weights of more than one axis, the j-th of n, moved by strength (1 − (ln j / ln n)^gamma) ‖w‖ / ‖step‖ times the step from `before` to
 * `after`, or, `ascending`, against it; all others stay. They are counted in the order of their names, numbers by value: from the input on.
 */
export function layerwiseMoved(
  before: Params,
  after: Params,
  { strength, gamma, ascending }: { strength: Operand; gamma: number; ascending: boolean },
): Params {
  const { compare } = new Intl.Collator("en", { numeric: true });
  const names = Object.keys(before)
    .filter((name) => (before[name] as Value).shape.length > 1)
    .sort(compare);
  const moved = names.map((name, i) => {
    const weight = before[name] as Value;
    const step = sub(after[name] as Value, weight);
    const share = names.length === 1 ? 1 : 1 - (Math.log(i + 1) / Math.log(names.length)) ** gamma;
    return [name, movedAlong(weight, step, mul(strength, ascending ? -share : share))] as const;
  });
  return { ...before, ...Object.fromEntries(moved) };
}

/** The loss at x + delta and the moved weights, delta and the way of the weights being of one pass at the weights before. */
export const lap = defineMethod({
  id: "lap",
  paper: "Lin et al. 2024, Layer-aware analysis of catastrophic overfitting (ICML)",
  formula: "ℓ(x + δ) at w + β (1 − (ln j / ln n)^γ) ‖w‖ Δ / ‖Δ‖ for the j-th of n layers, Δ an optimiser's step",
  trainsOn: "N-FGSM's perturbation, at weights moved along a first step, the first layers most",
  options: {
    variant: choice(["n-fgsm", "fgsm-rs", "fgsm"], { default: "n-fgsm", help: "the attack, with the sizes of that method" }),
    strength: number({
      least: 0,
      most: 100,
      default: strengthOf,
      help: "how far weights move, as a share of their norm (β)",
      remedy: "leave it out for the authors' at the nearest radius",
    }),
    gamma: constant({ above: 0, most: 100, default: 0.3, help: "how fast the movement falls from the first layer to the last", remedy: "write e.g. 0.3" }),
    direction: choice(["descent", "ascent"], {
      default: "descent",
      help: "whether weights move along the step, as in the authors' code, or against it, as in their text",
    }),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ variant }) => (VARIANTS[variant].projected ? 1 : VARIANTS[variant].noise + VARIANTS[variant].step),
  passes: () => ({ forward: 2, backward: 2 }),
  displacement: {
    first(context) {
      const { pass, delta } = attacked(context, VARIANTS[context.options.variant]);
      return { loss: pass.loss, found: { delta } };
    },
    moved: (before, after, { strength, gamma, direction }) => layerwiseMoved(before, after, { strength, gamma, ascending: direction === "ascent" }),
  },
  loss(context) {
    const { network, x, found } = context;
    return { adversarial: network.forward(add(x, found?.["delta"] as Value)) };
  },
});

function attacked(context: Pick<MethodContext, "network" | "x" | "epsilon" | "ramp" | "key">, { noise, step, projected }: Variant): NoiseStep {
  const { epsilon } = context;
  return noiseStep(context, { noise: mul(epsilon, noise), stepSize: mul(epsilon, step), projected });
}
