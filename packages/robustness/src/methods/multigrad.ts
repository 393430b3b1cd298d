/** @file MultiGrad: FGSM along the components whose signs several random points agree on. */
import { abs, add, foldIn, lt, mul, sign, stopGradient, type Value, where } from "@gradalign/tensor";
import { integer } from "../options/option.ts";
import { boxDelta } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod } from "./method.ts";

/** The loss at x + a step from x itself along those components. */
export const multiGrad = defineMethod({
  id: "multigrad",
  paper: "Golgooni et al. 2021, ZeroGrad, arXiv:2103.15476",
  formula: "ℓ(x + Π(α s)), s the sign of ∇ℓ where it is the same at m points x + η, else 0",
  trainsOn: "FGSM along the components whose signs several random points agree on",
  options: {
    points: integer({ least: 1, default: 3, help: "random points at which gradients are taken", remedy: "write e.g. 3" }),
    agreement: integer({
      least: 1,
      default: (_, { points }) => points as number,
      help: "how many of them must agree for a component to be followed",
      remedy: "leave it out for all",
    }),
    stepSize: stepSize(2),
    warmupEpochs: warmupEpochs("step"),
  },
  conflict: ({ points, agreement }) => (agreement > points ? { option: "agreement", rule: `at most ${points}, the points; leave it out for all` } : null),
  recipe: ({ dataset, model }) => (dataset === "svhn" && model !== "cnn" ? { peak: 0.01 } : {}),
  passes: ({ points }) => ({ forward: points + 1, backward: points + 1 }),
  loss({ network, x, epsilon, ramp, key, options: { points, agreement, stepSize } }) {
    const signs = Array.from({ length: points }, (_, i) => {
      const noise = linf.randomStart(foldIn(key, i), x.shape, mul(epsilon, ramp));
      return sign(network.inputGradient(add(x, boxDelta(x, noise))));
    });
    const votes = signs.reduce((a: Value, b: Value) => add(a, b));
    const agreed = where(lt(abs(votes), 2 * agreement - points), 0, votes);
    const step = linf.project(mul(sign(agreed), mul(stepSize, ramp)), epsilon);
    return { adversarial: network.forward(add(x, stopGradient(boxDelta(x, step)))) };
  },
});
