/** @file FGSM + GradAlign, the paper's method (Eq. 7), and variants of this project that cost less. */
import { add, gather, iota, mul, slice, stopGradient, type Value } from "@gradalign/tensor";
import { choiceOr, integerOr } from "../options/option.ts";
import { linf } from "../threat/linf.ts";
import { branches, lambda, stepSize, warmupEpochs } from "./common-options.ts";
import { fgsmDelta } from "./fgsm.ts";
import { gradAlignPenalty, gradAlignWeight } from "./gradalign.ts";
import { defineMethod } from "./method.ts";

/**
 * The loss at x + delta plus lambda (1 - cos(g1, g2)).
 *
 * g1 is FGSM's own gradient, a constant as in the paper's code; g2 is the gradient at x + eta, eta uniform in the ball and not
 * clipped to the box, and the regulariser is differentiated through it. With `branches: "both"` it is differentiated through g1
 * as well.
 *
 * Four variants of this project cost less, none of them the paper's method, and they go together: with `neighbour: "trained"` g2 is the
 * gradient at x + delta, of the pass that is trained on anyway; with `aligned: "quarter"` the regulariser is of the first quarter of the batch;
 * with `through: "first-layer"` its derivative passes through the first layer's part of g2 alone; with `alignEvery: k` it is added on
 * every k-th step only, k times as heavy, and all other steps are FGSM's.
 */
export const fgsmGradAlign = defineMethod({
  id: "fgsm-gradalign",
  paper: "Andriushchenko, Flammarion 2020, Eq. 7",
  formula: "ℓ(x + δ) + λ (1 − mean cos(∇ℓ(x), ∇ℓ(x + η))), δ FGSM's, η uniform in ±ε",
  trainsOn: "FGSM's perturbation, plus the GradAlign regulariser",
  options: {
    stepSize: stepSize(1.25),
    branches: branches("one"),
    lambda: lambda(gradAlignWeight),
    neighbour: choiceOr(undefined, ["random", "trained"], {
      help: "where the second gradient is taken: at a random point of the ball, or, at no third pass, where training takes place; not the paper's",
    }),
    aligned: choiceOr(undefined, ["all", "quarter", "none"], {
      help: "the images whose gradients are aligned: all, a quarter of the batch, or none, which is FGSM; not the paper's",
    }),
    through: choiceOr(undefined, ["network", "first-layer"], {
      help: "what the regulariser's derivative passes through on the way of the second gradient: all of it, or the first layer alone; not the paper's",
    }),
    alignEvery: integerOr(undefined, {
      least: 1,
      unit: "steps",
      help: "align on every so many-th step only, with as many times the weight; not the paper's",
      remedy: "leave it out to align on every step",
    }),
    warmupEpochs: warmupEpochs("step"),
  },
  conflict: ({ aligned, neighbour, through, alignEvery }) =>
    aligned === "none" && (neighbour ?? through ?? alignEvery) !== undefined
      ? { option: "aligned", rule: "all or quarter where a neighbour, a way through or a rhythm is chosen too; leave those out for FGSM" }
      : null,
  // In the paper's scripts, for the ResNet on CIFAR-10.
  recipe: ({ dataset, model }) => (dataset === "cifar10" && model !== "cnn" ? { peak: 0.3 } : {}),
  passes({ branches, neighbour, aligned, through, alignEvery = 1 }) {
    if (aligned === "none") return { forward: 2, backward: 2 };
    const isTrained = neighbour === "trained";
    const share = aligned === "quarter" && !isTrained ? 1 / 4 : 1;
    // Behind the gradient twice through the network, or through a single layer, which does not count.
    const behind = (through === "first-layer" ? 0 : 2) + (branches === "both" ? 2 : 0);
    // The gradient of the training pass is on the way of its backward pass.
    const [forward, backward] = isTrained ? [0, behind] : [share, share * (1 + behind)];
    return { forward: 2 + forward / alignEvery, backward: 2 + backward / alignEvery };
  },
  cadence: ({ alignEvery }) => (alignEvery === undefined ? undefined : { every: alignEvery, between: { aligned: "none" } }),
  loss(context) {
    const { network, x, epsilon, key, options } = context;
    const { delta, gradient } = fgsmDelta(context);
    if (options.aligned === "none") return { adversarial: network.forward(add(x, delta)) };
    const batch = x.shape[0] as number;
    const count = options.aligned === "quarter" ? Math.ceil(batch / 4) : batch;
    const some = (images: Value): Value => {
      if (count === batch) return images;
      return slice(
        images,
        images.shape.map(() => 0),
        [count, ...images.shape.slice(1)],
      );
    };
    const penalty = (second: Value): Value => {
      const first = some(options.branches === "both" ? gradient : stopGradient(gradient));
      const each = gradAlignPenalty(first, second, options.lambda);
      return options.alignEvery === undefined ? each : mul(each, options.alignEvery);
    };
    const gradients = options.through === "first-layer" ? network.shallow : network;
    if (options.neighbour === "trained") {
      const { gradient: trained, ...adversarial } = gradients.inputPass(add(x, delta));
      return { adversarial, regularizer: penalty(some(trained)) };
    }
    const adversarial = network.forward(add(x, delta));
    const point = add(x, linf.randomStart(key, x.shape, epsilon));
    // A pass of some of the images has labels of its own.
    const second = count === batch ? gradients.inputGradient(point) : gradients.inputGradient(some(point), gather(network.labels, [iota([count])]));
    return { adversarial, regularizer: penalty(second) };
  },
});
