/** @file FGSM training from a random start. */
import { add } from "@gradalign/tensor";
import { flag } from "../options/option.ts";
import { linf } from "../threat/linf.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { fgsmDelta } from "./fgsm.ts";
import { defineMethod } from "./method.ts";

/**
 * The loss at x + FGSM-RS's perturbation. Without the projection, which a later paper found to delay the collapse, it may be as long as
 * epsilon and the step together, and the step is epsilon.
 */
export const fgsmRs = defineMethod({
  id: "fgsm-rs",
  paper: "Wong, Rice, Kolter 2020, Fast is better than free",
  formula: "ℓ(x + δ), δ = Π(η + α sign ∇ℓ(x + η)), η uniform in ±ε",
  trainsOn: "FGSM from a random point of the ball; `projection: false` does not clip to it",
  options: {
    projection: flag({ default: true, help: "whether the perturbation is clipped to the ball (Andriushchenko, Flammarion 2021, arXiv:2105.02942: false)" }),
    stepSize: stepSize(({ projection }) => (projection === false ? 1 : 1.25)),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ projection, stepSize }) => (projection ? 1 : 1 + stepSize),
  passes: () => ({ forward: 2, backward: 2 }),
  loss(context) {
    const { network, x, epsilon, key, options } = context;
    const { delta } = fgsmDelta(context, linf.randomStart(key, x.shape, epsilon), options.projection);
    return { adversarial: network.forward(add(x, delta)) };
  },
});
