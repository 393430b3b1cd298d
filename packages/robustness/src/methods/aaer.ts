/** @file AAER: examples whose loss falls under attack, the first sign of a collapse, are held down. */
import { add, convert, div, gt, maximum, mean, mul, square, stopGradient, sub, sum, type Value } from "@gradalign/tensor";
import { type Circumstances, flag, type Given, length, number } from "../options/option.ts";
import { stepSize, warmupEpochs } from "./common-options.ts";
import { defineMethod } from "./method.ts";
import { noiseStep } from "./noise-step.ts";

/** The authors' weights by radius in steps of 1/255: of the loss's fall, and of the logits' change. */
type Weights = readonly [radius: number, fall: number, change: number];
const N_FGSM: readonly [Weights, ...Weights[]] = [
  [8, 1.5, 0.15],
  [12, 5, 0.55],
  [16, 8.5, 1.5],
  [32, 2.75, 0.75],
];
const FGSM_RS: readonly [Weights, ...Weights[]] = [
  [8, 2.5, 1.5],
  [12, 5, 2.75],
  [16, 7, 3.25],
  [32, 5.75, 1.5],
];

/** Those of the nearest radius. */
function weights({ epsilon }: Circumstances, { projection }: Given): Weights {
  const far = ([radius]: Weights): number => Math.abs(radius - epsilon * 255);
  return (projection === true ? FGSM_RS : N_FGSM).reduce((best, entry) => (far(entry) < far(best) ? entry : best));
}

/**
 * The loss at x + delta, N-FGSM's or with the projection FGSM-RS's, plus |A| / N (lambda2 mean_A(l0 − l) + lambda3 max(V_A − V_rest, 0)): A are the examples whose loss l is
 * below l0, that at the noise; V is the mean squared distance of the logits from those at the noise, of the rest a constant. Nothing is
 * added where A or the rest is empty. Losses and logits at the noise count as constant.
 */
export const aaer = defineMethod({
  id: "aaer",
  paper: "Lin et al. 2023, Abnormal adversarial examples regularization, arXiv:2404.08154",
  formula: "ℓ(x + δ) + (|A| / N) (λ₂ mean(ℓ(x + η) − ℓ(x + δ)) + λ₃ max(V − V₀, 0)) over A, whose losses fell",
  trainsOn: "N-FGSM's perturbation, plus penalties on examples whose loss falls under attack",
  options: {
    projection: flag({ default: false, help: "whether the perturbation is FGSM-RS's, clipped to the ball, instead of N-FGSM's" }),
    noise: length({
      least: 0,
      most: 100,
      default: (_, { projection }) => (projection === true ? 1 : 2),
      help: "radius of the uniform noise before the step, as a multiple of ε",
      remedy: "write e.g. 2",
    }),
    stepSize: stepSize(({ projection }) => (projection === true ? 1.25 : 1)),
    lambda2: number({
      least: 0,
      most: 1e6,
      default: (at, before) => weights(at, before)[1],
      help: "weight of the loss's fall",
      remedy: "leave it out for the authors' at the nearest radius",
    }),
    lambda3: number({
      least: 0,
      most: 1e6,
      default: (at, before) => weights(at, before)[2],
      help: "weight of the logits' excess change",
      remedy: "leave it out for the authors' at the nearest radius",
    }),
    warmupEpochs: warmupEpochs("step"),
  },
  reach: ({ projection, noise, stepSize }) => (projection ? Math.max(1, noise) : noise + stepSize),
  passes: () => ({ forward: 2, backward: 2 }),
  loss(context) {
    const { network, x, options } = context;
    const { pass, delta } = noiseStep(context, { noise: options.noise, stepSize: options.stepSize, projected: options.projection });
    const adversarial = network.forward(add(x, delta));
    const [before, logits] = [stopGradient(pass.losses), stopGradient(pass.logits)];
    const abnormal = convert(gt(before, stopGradient(adversarial.losses)), "float32");
    const [count, rest] = [sum(abnormal), sum(sub(1, abnormal))];
    const meanOf = (values: Value, which: Value, size: Value): Value => div(sum(mul(values, which)), maximum(size, 1));
    const fall = meanOf(sub(before, adversarial.losses), abnormal, count);
    const change = sum(square(sub(logits, adversarial.logits)), [1]);
    const excess = sub(meanOf(change, abnormal, count), stopGradient(meanOf(change, sub(1, abnormal), rest)));
    const both = mul(mean(abnormal), convert(gt(mul(count, rest), 0), "float32"));
    const penalty = add(mul(options.lambda2, fall), mul(options.lambda3, maximum(excess, 0)));
    return { adversarial, regularizer: mul(both, penalty) };
  },
});
