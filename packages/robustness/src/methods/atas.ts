/** @file ATAS: each image's attack goes on from its last perturbation, with a step that is shorter where gradients are large. */
import { add, and, clamp, div, eq, floor, lt, mul, ne, or, reshape, sign, sqrt, square, stopGradient, sub, sum, where, zeros } from "@gradalign/tensor";
import { constant, integer, length, number } from "../options/option.ts";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { stepSize } from "./common-options.ts";
import { carried, defineMethod } from "./method.ts";
import { putBack, rowsTaken } from "./per-example.ts";

/**
 * The loss at x + clip(d + step sign g), g the gradient at x + d in eval mode; the result is the image's next d, kept as the stored image
 * stands, not as it is cropped and mirrored. v, an image's moving average of ‖g‖² (of the mean loss), gives the step 2 epsilon / (1 + √v / c)
 * within its bounds; in the first `plainEpochs` epochs it is `stepSize`, and v waits. d begins as a random point at first and in every
 * `resetEpochs`-th epoch but the last. An image of floats is held per training image: 0.6 GB for CIFAR-10.
 */
export const atas = defineMethod({
  id: "atas",
  paper: "Huang et al. 2022, Fast adversarial training with adaptive step size, arXiv:2206.02417",
  formula: "ℓ(x + Π(d + α sign g)), α = 2ε / (1 + √v / c), v the moving average of ‖g‖², d the last δ of the image",
  trainsOn: "FGSM from a perturbation kept for each image, with a step by its gradients' size",
  options: {
    stepSize: stepSize(1),
    leastStep: length({ least: 0, most: 100, default: 0.5, help: "least step, as a multiple of ε", remedy: "write e.g. 0.5" }),
    mostStep: length({ least: 0, most: 100, default: 1.75, help: "largest step, as a multiple of ε", remedy: "write e.g. 1.75" }),
    hardness: number({ above: 0, most: 1e6, default: 0.01, help: "size of gradients at which the step is ε (c)", remedy: "write e.g. 0.01" }),
    sizeMomentum: number({ least: 0, below: 1, default: 0.5, help: "what is kept of an image's earlier ‖g‖²", remedy: "write e.g. 0.5" }),
    plainEpochs: constant({ least: 0, most: 1e6, unit: "epochs", default: 5, help: "epochs with the plain step", remedy: "write e.g. 5" }),
    resetEpochs: integer({ least: 1, default: 10, unit: "epochs", help: "epochs after which what is kept of images begins anew", remedy: "write e.g. 10" }),
    lastEpoch: integer({ least: 1, default: ({ epochs }) => epochs, help: "the last epoch, in which nothing begins anew", remedy: "leave it out" }),
  },
  conflict: ({ leastStep, mostStep }) => (leastStep > mostStep ? { option: "leastStep", rule: `at most ${mostStep}, the largest step` } : null),
  usesEpoch: true,
  passes: () => ({ forward: 2, backward: 2 }),
  carries: ({ image, examples }) => ({ delta: zeros([examples, ...image]), size: zeros([examples]) }),
  loss(context) {
    const { network, x, rows, augmented, epsilon, epoch, key, options } = context;
    const [deltas, sizes] = [carried(context, "delta"), carried(context, "size")];
    const stored = rowsTaken(rows);
    // Counted from 1, as in the authors' code.
    const number = add(epoch, 1);
    const due = eq(sub(number, mul(floor(div(number, options.resetEpochs)), options.resetEpochs)), 0);
    const anew = or(eq(epoch, 0), and(due, ne(number, options.lastEpoch)));
    const start = boxDelta(x, where(anew, linf.randomStart(key, x.shape, epsilon), augmented(deltas)));

    const gradient = stopGradient(network.gradientOf((point) => network.evaluated(point).loss, add(x, start)));
    const plain = lt(epoch, options.plainEpochs);
    const before = stored(sizes);
    const size = add(mul(before, options.sizeMomentum), mul(sum(square(gradient), [1, 2, 3]), sub(1, options.sizeMomentum)));
    const fitted = clamp(div(mul(epsilon, 2), add(div(sqrt(size), options.hardness), 1)), options.leastStep, options.mostStep);
    const step = reshape(where(plain, options.stepSize, fitted), [x.shape[0] as number, 1, 1, 1]);
    const delta = boxDelta(x, linf.project(add(start, mul(sign(gradient), step)), epsilon));
    const carry = { delta: putBack(deltas, delta, augmented), size: putBack(sizes, where(plain, before, size), stored) };
    return { adversarial: network.forward(add(x, delta)), carry };
  },
});
