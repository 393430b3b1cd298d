/** @file ELLE-A: ELLE with a weight that is nothing until the error jumps. */
import { add, and, div, gt, maximum, mul, sqrt, stopGradient, sub, type Value, where, zeros } from "@gradalign/tensor";
import { number } from "../options/option.ts";
import { lambda, stepSize, warmupEpochs } from "./common-options.ts";
import { linearityError, unclippedFgsm } from "./elle.ts";
import { carried, defineMethod } from "./method.ts";

/**
 * ELLE's loss with the weight that the last iteration left, at first 0. An error above the mean of all before it by `sensitivity` standard
 * deviations, three of them at least, sets the weight to lambda for the next iteration; any other lets it decay. Mean and deviation are
 * Welford's, so that the state is four numbers.
 */
export const elleA = defineMethod({
  id: "elle-a",
  paper: "Abad Rocamora et al. 2024, Efficient local linearity regularization, arXiv:2401.11618",
  formula: "ELLE's with λ only after its error jumped, and 0.99 of the weight before otherwise",
  trainsOn: "ELLE's loss, the penalty switched on only when the loss's linearity error jumps",
  options: {
    stepSize: stepSize(1),
    lambda: lambda(() => 4000),
    sensitivity: number({
      least: 0,
      most: 100,
      default: 2,
      help: "standard deviations above the mean at which the penalty is switched on",
      remedy: "write e.g. 2",
    }),
    decay: number({ least: 0, most: 1, default: 0.99, help: "what an iteration leaves of the penalty's weight", remedy: "write e.g. 0.99" }),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ stepSize }) => Math.max(1, stepSize),
  passes: () => ({ forward: 5, backward: 5 }),
  carries: () => ({ weight: zeros([]), count: zeros([]), mean: zeros([]), deviations: zeros([]) }),
  loss(context) {
    const { network, options } = context;
    const adversarial = network.forward(unclippedFgsm(context, options.stepSize));
    const error = linearityError(context);
    const [weight, count, average, deviations] = ["weight", "count", "mean", "deviations"].map((name) => carried(context, name)) as [
      Value,
      Value,
      Value,
      Value,
    ];

    const value = stopGradient(error);
    const deviation = sqrt(div(deviations, maximum(count, 1)));
    const jumped = and(gt(count, 2.5), gt(value, add(average, mul(options.sensitivity, deviation))));
    const seen = add(count, 1);
    const moved = add(average, div(sub(value, average), seen));
    const carry = {
      weight: where(jumped, options.lambda, mul(weight, options.decay)),
      count: seen,
      mean: moved,
      deviations: add(deviations, mul(sub(value, average), sub(value, moved))),
    };
    return { adversarial, regularizer: mul(weight, error), carry };
  },
});
