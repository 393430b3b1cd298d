/** @file FGSM-MEP: each image's attack begins where its last one pointed, by a moving average of gradients. */
import { abs, add, div, eq, floor, maximum, mean, mul, sign, square, stopGradient, sub, sum, type Value, where, zeros } from "@gradalign/tensor";
import { smoothedCrossEntropyPerExample } from "../nn/cross-entropy.ts";
import { integer, number } from "../options/option.ts";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { lambda, stepSize } from "./common-options.ts";
import { carried, defineMethod } from "./method.ts";
import type { Forward } from "./network.ts";
import { putBack, rowsTaken } from "./per-example.ts";

/**
 * The loss at x + clip(d + alpha sign g), g the gradient at x + d, plus lambda times the mean squared difference of the logits at the two,
 * all with smoothed labels. An image's d begins as a random point of the ball; after a step its momentum m is g / ‖g‖₁ + `priorMomentum` m,
 * the norm being the batch's, and its d is clip(d + alpha sign m). Every `resetEpochs` epochs d and m begin anew. They are kept as they
 * were, although images are cropped and mirrored anew (the authors' code). Two images of floats are held per training image: 1.2 GB for
 * CIFAR-10.
 */
export const fgsmMep = defineMethod({
  id: "fgsm-mep",
  paper: "Jia et al. 2022, Prior-guided adversarial initialization, arXiv:2207.08859",
  formula: "ℓ(x + Π(d + α sign g)) + λ mean (Z − Z₀)², then d ← Π(d + α sign m), m ← g / ‖g‖₁ + 0.3 m",
  trainsOn: "FGSM from a perturbation kept for each image, plus a penalty on the logits' change",
  options: {
    stepSize: stepSize(1),
    lambda: lambda(() => 10),
    priorMomentum: number({ least: 0, below: 1, default: 0.3, help: "what is kept of an image's earlier gradients", remedy: "write e.g. 0.3" }),
    resetEpochs: integer({ least: 1, default: 40, unit: "epochs", help: "epochs after which what is kept of images begins anew", remedy: "write e.g. 40" }),
    labelShare: number({
      above: 0,
      most: 1,
      default: 0.6,
      help: "probability of the label in the smoothed labels, the other classes sharing the rest",
      remedy: "write 1 for none",
    }),
  },
  usesEpoch: true,
  passes: () => ({ forward: 2, backward: 3 }),
  carries: ({ image, examples }) => ({ delta: zeros([examples, ...image]), momentum: zeros([examples, ...image]) }),
  loss(context) {
    const { network, x, rows, epsilon, epoch, key, options } = context;
    const [deltas, momenta] = [carried(context, "delta"), carried(context, "momentum")];
    const taken = rowsTaken(rows);
    const anew = eq(sub(epoch, mul(floor(div(epoch, options.resetEpochs)), options.resetEpochs)), 0);
    const start = boxDelta(x, where(anew, linf.randomStart(key, x.shape, epsilon), taken(deltas)));
    const smoothed = ({ logits }: Forward): Value => {
      const classes = logits.shape[1] as number;
      return mean(smoothedCrossEntropyPerExample(logits, network.labels, mul(sub(1, options.labelShare), classes / (classes - 1))));
    };
    const { gradient: slope, ...before } = network.inputPass(add(x, start), smoothed);
    const gradient = stopGradient(slope);
    const moved = (direction: Value): Value => boxDelta(x, linf.project(add(start, mul(sign(direction), options.stepSize)), epsilon));
    const size = maximum(sum(abs(gradient)), 1e-30);
    const momentum = add(div(gradient, size), mul(where(anew, 0, taken(momenta)), options.priorMomentum));

    const pass = network.forward(add(x, moved(gradient)));
    const change = mean(square(sub(pass.logits, before.logits)));
    const carry = { delta: putBack(deltas, moved(momentum), taken), momentum: putBack(momenta, momentum, taken) };
    return { adversarial: { ...pass, loss: smoothed(pass) }, regularizer: mul(options.lambda, change), carry };
  },
});
