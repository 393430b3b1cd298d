/** @file FGSM training from a random start. */
import { add } from "@gradalign/tensor";
import { linf } from "../threat/linf.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { fgsmDelta } from "./fgsm.ts";
import { defineMethod } from "./method.ts";

/** The loss at x + FGSM-RS's perturbation. */
export const fgsmRs = defineMethod({
  id: "fgsm-rs",
  paper: "Wong, Rice, Kolter 2020, Fast is better than free",
  options: { stepSize: stepSize(1.25), warmupEpochs: warmupEpochs("step") },
  passes: () => ({ forward: 2, backward: 2 }),
  loss(context) {
    const { network, x, epsilon, key } = context;
    const { delta } = fgsmDelta(context, linf.randomStart(key, x.shape, epsilon));
    return { adversarial: network.forward(add(x, delta)) };
  },
});
