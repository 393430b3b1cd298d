/** @file Adversarial training for free: each batch is replayed m times while one perturbation lives on, across batches. */
import { add, InvariantError } from "@gradalign/tensor";
import { fgsmDelta } from "./fgsm.ts";
import type { Method } from "./method.ts";

/**
 * FGSM from the carried perturbation; the result is trained on and carried on. As in the paper's code the attack and the update
 * have a pass of their own each (the original shares them), and the perturbation is never reset.
 */
export const free: Method = {
  id: "free",
  paper: "Shafahi et al. 2019, Adversarial training for free",
  defaults: { stepSize: 1, replays: 8 },
  warmup: "step",
  carriesDelta: true,
  loss(context) {
    const { network, x, carry } = context;
    if (!carry) throw new InvariantError("free: no perturbation was carried");
    const { delta } = fgsmDelta(context, carry);
    return { adversarial: network.forward(add(x, delta)), carry: delta };
  },
};
