/** @file ZeroGrad: FGSM-RS that does not follow the smallest components of the gradient. */
import { abs, add, convert, lt, max, reshape, sum, type Value, where, zeros } from "@gradalign/tensor";
import { constant } from "../options/option.ts";
import { bisect, byDifference } from "../threat/bisection.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod } from "./method.ts";
import { noiseStep } from "./noise-step.ts";

/**
 * The gradient [N, C, H, W] with zeros where it is smaller than the `share`-quantile of its example's absolute values. Between two order
 * statistics the quantile is interpolated, so what is smaller than it is what is smaller than the upper of the two.
 */
export function withoutSmallest(gradient: Value, share: number): Value {
  const [examples, ...rest] = gradient.shape as [number, ...number[]];
  const pixels = rest.reduce((product, extent) => product * extent, 1);
  const most = Math.ceil(share * (pixels - 1) - 1e-9);
  const size = abs(gradient);
  const perExample = (values: Value): Value => reshape(values, [examples, 1, 1, 1]);
  const below = (threshold: Value): Value => lt(size, perExample(threshold));
  const few = (threshold: Value): Value => lt(sum(convert(below(threshold), "float32"), [1, 2, 3]), most + 0.5);
  const { low } = bisect({ low: zeros([examples]), high: max(size, [1, 2, 3]) }, byDifference, few);
  return where(below(low), 0, gradient);
}

/** The loss at x + FGSM-RS's perturbation along the larger components. */
export const zeroGrad = defineMethod({
  id: "zerograd",
  paper: "Golgooni et al. 2021, ZeroGrad, arXiv:2103.15476",
  formula: "FGSM-RS, with ∇ℓ zero where it is smaller than the q-quantile of its image",
  trainsOn: "FGSM-RS along the larger components of the gradient",
  options: {
    quantile: constant({
      least: 0,
      below: 1,
      default: ({ dataset }) => (dataset === "svhn" ? 0.7 : 0.35),
      help: "share of the gradient's components, the smallest, that are not followed",
      remedy: "write e.g. 0.35",
    }),
    stepSize: stepSize(2),
    warmupEpochs: warmupEpochs("step"),
  },
  recipe: ({ dataset, model }) => (dataset === "svhn" && model !== "cnn" ? { peak: 0.01 } : {}),
  passes: () => ({ forward: 2, backward: 2 }),
  loss(context) {
    const { network, x, epsilon, options } = context;
    const followed = (gradient: Value): Value => withoutSmallest(gradient, options.quantile);
    const { delta } = noiseStep(context, { noise: epsilon, stepSize: options.stepSize, projected: true, followed });
    return { adversarial: network.forward(add(x, delta)) };
  },
});
