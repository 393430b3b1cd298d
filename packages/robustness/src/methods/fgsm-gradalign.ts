/** @file FGSM + GradAlign, the paper's method (Eq. 7). */
import { add, gather, iota, slice, stopGradient, type Value } from "@gradalign/tensor";
import { choiceOr } from "../options/option.ts";
import { linf } from "../threat/linf.ts";
import { branches, lambda, stepSize, warmupEpochs } from "./common-options.ts";
import { fgsmDelta } from "./fgsm.ts";
import { gradAlignPenalty, gradAlignWeight } from "./gradalign.ts";
import { defineMethod, type MethodContext } from "./method.ts";

/**
 * The loss at x + delta plus lambda (1 - cos(g1, g2)).
 *
 * g1 is FGSM's own gradient, a constant as in the paper's code; g2 is the gradient at x + eta, eta uniform in the ball and not
 * clipped to the box, and the regulariser is differentiated through it. With `branches: "both"` it is differentiated through g1
 * as well.
 *
 * Two variants of this project cost less, neither of them the paper's method: with `neighbour: "trained"` g2 is the gradient at x + delta, of
 * the pass that is trained on anyway; with `aligned: "quarter"` the regulariser is of the first quarter of the batch.
 */
export const fgsmGradAlign = defineMethod({
  id: "fgsm-gradalign",
  paper: "Andriushchenko, Flammarion 2020, Eq. 7",
  trainsOn: "FGSM's perturbation, plus the GradAlign regulariser",
  options: {
    stepSize: stepSize(1.25),
    branches: branches("one"),
    lambda: lambda(gradAlignWeight),
    neighbour: choiceOr(undefined, ["random", "trained"], {
      help: "where the second gradient is taken: at a random point of the ball, or, at no third pass, where training takes place; not the paper's",
    }),
    aligned: choiceOr(undefined, ["all", "quarter"], { help: "the images whose gradients are aligned: all, or a quarter of the batch; not the paper's" }),
    warmupEpochs: warmupEpochs("step"),
  },
  // In the paper's scripts, for the ResNet on CIFAR-10.
  recipe: ({ dataset, model }) => (dataset === "cifar10" && model !== "cnn" ? { peak: 0.3 } : {}),
  passes({ branches, neighbour, aligned }) {
    const share = aligned === "quarter" && neighbour !== "trained" ? 1 / 4 : 1;
    const twice = branches === "both" ? 2 : 0;
    // The gradient of the training pass is on the way of its backward pass.
    return neighbour === "trained" ? { forward: 2, backward: 4 + twice } : { forward: 2 + share, backward: 2 + 3 * share + twice };
  },
  loss(context) {
    const { network, x, epsilon, key, options } = context;
    const { delta, gradient } = fgsmDelta(context);
    const count = options.aligned === "quarter" ? Math.ceil((x.shape[0] as number) / 4) : (x.shape[0] as number);
    const some = (images: Value): Value =>
      count === images.shape[0]
        ? images
        : slice(
            images,
            images.shape.map(() => 0),
            [count, ...images.shape.slice(1)],
          );
    const g1 = some(options.branches === "both" ? gradient : stopGradient(gradient));
    if (options.neighbour === "trained") {
      const { gradient: trained, ...adversarial } = network.inputPass(add(x, delta));
      return { adversarial, regularizer: gradAlignPenalty(g1, some(trained), options.lambda) };
    }
    const adversarial = network.forward(add(x, delta));
    const eta = linf.randomStart(key, x.shape, epsilon);
    const point = add(x, eta);
    const g2 = count === x.shape[0] ? network.inputGradient(point) : gradientOfSome(context, some(point), count);
    return { adversarial, regularizer: gradAlignPenalty(g1, g2, options.lambda) };
  },
});

/** Input gradient at the first `count` images of the batch, a pass of their own. */
function gradientOfSome({ network }: Pick<MethodContext, "network">, images: Value, count: number): Value {
  const labels = gather(network.labels, [iota([count])]);
  return network.gradientOf((at) => network.forward(at, labels).loss, images);
}
