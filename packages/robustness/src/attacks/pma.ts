/**
 * @file The probability margin attack: signed steps up p_max - p_label, the margin of probabilities (Xie et al. 2025, "Towards million-scale
 * adversarial robustness evaluation with stronger individual attacks").
 *
 * Half of the steps climb one term alone, -p_label in even runs and p_max in odd ones; the other half climb both. The length of a step
 * falls from 2ε to 0 along a cosine in each half. The authors' code makes two such runs, whose very first step leads up p_label; here it does not.
 */
import { add, mul, type Value } from "@gradalign/tensor";
import { probabilityMarginAscent } from "../nn/margins.ts";
import { integer, type ValuesOf } from "../options/option.ts";
import type { Attack } from "./attack.ts";
import { averagedGradient, eot } from "./eot.ts";
import { type FirstFound, firstFound, nothingFound, whatWasFound } from "./first-found.ts";
import { steps } from "./options.ts";

const OPTIONS = {
  steps: steps(100),
  restarts: integer({
    least: 1,
    default: 2,
    help: "runs from points of their own: even ones turn from the label first, odd ones to its rival",
    remedy: "write e.g. 2",
  }),
  eot: eot(),
};

/** Settings of {@link pma}. */
export type PmaOptions = ValuesOf<typeof OPTIONS>;

/** Nearly AutoAttack's number by one attack of 100 steps. */
export const pma: Attack<PmaOptions, FirstFound> = {
  id: "pma",
  paper: "Xie et al. 2025, Towards million-scale adversarial robustness evaluation with stronger individual attacks",
  help: "steps up the margin of probabilities: the quick attack, near to AutoAttack",
  options: OPTIONS,
  threats: ["linf", "l2"],
  structural: ["eot"],
  steps: ({ steps }) => steps,
  runs: ({ restarts }) => restarts,
  schedule({ steps }, { run, iteration, epsilon }) {
    const half = steps / 2;
    const both = iteration >= half;
    const since = both ? iteration - Math.ceil(half) : iteration;
    return { length: epsilon * (1 + Math.cos((Math.PI * since) / half)), rival: both || run % 2 === 1 ? 1 : 0, own: both || run % 2 === 0 ? 1 : 0 };
  },
  init: ({ x, threat, epsilon, keys }) => nothingFound(threat.within(x, threat.randomStart(keys, x.shape, epsilon), epsilon)),
  step(site, state, { eot }) {
    const { delta } = state;
    const { x, threat, epsilon, labels, schedule } = site;
    const { length, rival, own } = schedule as Readonly<Record<"length" | "rival" | "own", Value>>;
    const { logits, gradient } = averagedGradient(site, add(x, delta), eot, (at) => probabilityMarginAscent(at, labels, { rival, own }));
    return firstFound(site, state, logits, threat.within(x, add(delta, mul(threat.steepest(gradient), length)), epsilon));
  },
  finish: (_, state) => whatWasFound(state),
  found: "found",
};
