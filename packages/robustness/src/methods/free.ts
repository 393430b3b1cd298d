/** @file Adversarial training for free: each batch is replayed m times while one perturbation lives on, across batches. */
import { add, zeros } from "@gradalign/tensor";
import { integer } from "../options/option.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { fgsmDelta } from "./fgsm.ts";
import { carried, defineMethod } from "./method.ts";

/** As in the paper's scripts: epochs count replays, and the learning rate is smaller. */
const RECIPES: Readonly<Record<string, { readonly epochs: number; readonly peak: number }>> = {
  cifar10: { epochs: 96, peak: 0.04 },
  svhn: { epochs: 45, peak: 0.01 },
};

/**
 * FGSM from the carried perturbation; the result is trained on and carried on. As in the paper's code the attack and the update
 * have a pass of their own each (the original shares them), and the perturbation is never reset.
 */
export const free = defineMethod({
  id: "free",
  paper: "Shafahi et al. 2019, Adversarial training for free",
  formula: "ℓ(x + δ), δ ← Π(δ + α sign ∇ℓ(x + δ)), m times a batch",
  trainsOn: "FGSM from a perturbation carried along while each batch is replayed",
  options: {
    stepSize: stepSize(1),
    replays: integer({ least: 1, default: 8, help: "how often each batch is repeated (m)", remedy: "write e.g. 8" }),
    warmupEpochs: warmupEpochs("step"),
  },
  recipe: ({ dataset, model }) => (model === "cnn" ? {} : (RECIPES[dataset] ?? {})),
  passes: () => ({ forward: 2, backward: 2 }),
  carries: ({ batch, image }) => ({ delta: zeros([batch, ...image]) }),
  loss(context) {
    const { network, x } = context;
    const { delta } = fgsmDelta(context, carried(context, "delta"));
    return { adversarial: network.forward(add(x, delta)), carry: { delta } };
  },
});
