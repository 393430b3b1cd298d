/** @file FGSM training from a random start. */
import { add } from "@gradalign/tensor";
import { linf } from "../threat/linf.ts";
import { fgsmDelta } from "./fgsm.ts";
import type { Method } from "./method.ts";

/** The loss at x + FGSM-RS's perturbation. */
export const fgsmRs: Method = {
  id: "fgsm-rs",
  paper: "Wong, Rice, Kolter 2020, Fast is better than free",
  defaults: { stepSize: 1.25 },
  warmup: "step",
  loss(context) {
    const { network, x, epsilon, key } = context;
    const { delta } = fgsmDelta(context, linf.randomStart(key, x.shape, epsilon));
    return { adversarial: network.forward(add(x, delta)) };
  },
};
