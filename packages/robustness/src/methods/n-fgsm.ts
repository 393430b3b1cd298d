/** @file N-FGSM: FGSM from strong noise, without clipping to the ball. */
import { add } from "@gradalign/tensor";
import { noise, stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod } from "./method.ts";
import { noiseStep } from "./noise-step.ts";

/** The loss at x + noise + step, which trains up to 3 epsilon away from the image by default. */
export const nFgsm = defineMethod({
  id: "n-fgsm",
  paper: "de Jorge et al. 2022, Make some noise, arXiv:2202.01181",
  formula: "ℓ(x + η + α sign ∇ℓ(x + η)), η uniform in ±2ε",
  trainsOn: "FGSM from strong noise, not clipped to the ball",
  // In the authors' experiments: more of it on SVHN at 12/255.
  options: {
    noise: noise(({ dataset, epsilon }) => (dataset === "svhn" && epsilon > 11 / 255 ? 3 : 2)),
    stepSize: stepSize(1),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ noise, stepSize }) => noise + stepSize,
  passes: () => ({ forward: 2, backward: 2 }),
  loss(context) {
    const { network, x, options } = context;
    const { delta } = noiseStep(context, { noise: options.noise, stepSize: options.stepSize, projected: false });
    return { adversarial: network.forward(add(x, delta)) };
  },
});
