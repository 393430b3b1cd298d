/** @file Projected gradient descent towards a class: down its cross-entropy, for one wrong class after another or the one that is given. */
import { add, neg, type Value } from "@gradalign/tensor";
import { crossEntropyPerExample } from "../nn/cross-entropy.ts";
import type { ValuesOf } from "../options/option.ts";
import type { Attack } from "./attack.ts";
import { type FirstFound, firstFound, nothingFound, whatWasFound } from "./first-found.ts";
import { aims, byTargets } from "./options.ts";
import { ascend, ascentOptions } from "./projected-gradient.ts";

const OPTIONS = { ...ascentOptions({ steps: 50, stepSize: 0.1, start: "random" }), ...aims() };

/** Settings of {@link pgdT}. */
export type PgdTOptions = ValuesOf<typeof OPTIONS>;

/** Targeted PGD. */
export const pgdT: Attack<PgdTOptions, FirstFound> = {
  id: "pgd-t",
  paper: "Kurakin, Goodfellow, Bengio 2017, Adversarial machine learning at scale; Madry et al. 2018",
  help: "steps of ε / 10 from random points towards one wrong class after another",
  options: OPTIONS,
  numbers: ["steps", "restarts"],
  targeted: true,
  structural: [],
  steps: ({ steps }) => steps,
  ...byTargets,
  schedule: ({ stepSize }, { epsilon }) => ({ length: stepSize * epsilon }),
  init: ({ x, threat, epsilon, keys }, { start }) =>
    nothingFound(threat.within(x, threat.randomStart(keys, x.shape, start === "random" ? epsilon : 0), epsilon)),
  step(site, state) {
    const { logits, gradient } = site.victim.gradient(add(site.x, state.delta), (at) => neg(crossEntropyPerExample(at, site.target)));
    return firstFound(site, state, logits, ascend(site, state.delta, gradient, site.schedule["length"] as Value));
  },
  finish: (_, state) => whatWasFound(state),
  found: "found",
};
