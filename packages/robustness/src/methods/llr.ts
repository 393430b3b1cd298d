/** @file Local linearity regularisation: training on clean images, with a penalty on how far the loss is from linear in the ball. */
import { abs, add, mean, mul, stopGradient, sub, sum, type Value } from "@gradalign/tensor";
import { attackOptions } from "../attacks/options.ts";
import { pgd } from "../attacks/pgd.ts";
import { unrollAttack } from "../attacks/projected-gradient.ts";
import { number } from "../options/option.ts";
import { linf } from "../threat/linf.ts";
import { lambda } from "./common-options.ts";
import { exampleDots, exampleGradients } from "./example-gradients.ts";
import { defineMethod } from "./method.ts";
import { pgdOptions } from "./pgd.ts";

/**
 * The loss at x plus lambda |l(x + delta) − l(x) − deltaᵀg| plus mu |deltaᵀg|, means over the examples; g is the example's input
 * gradient at x, and delta, a constant, is where `steps` steps of PGD find the first of the two largest.
 *
 * Two steps are LLR-2 of the paper's table; lambda 4 and mu 3 are the authors' for CIFAR-10 at 8/255.
 */
export const llr = defineMethod({
  id: "llr",
  paper: "Qin et al. 2019, Adversarial robustness through local linearization, Eq. 8",
  formula: "ℓ(x) + λ mean |ℓ(x + δ) − ℓ(x) − δᵀ∇ℓ(x)| + μ mean |δᵀ∇ℓ(x)|, δ where the first is largest",
  trainsOn: "the images, plus the local linearity regulariser",
  options: {
    ...pgdOptions({ steps: 2, start: "random" }),
    lambda: lambda(() => 4),
    mu: number({ least: 0, most: 1e6, default: 3, help: "weight of the regulariser's second term", remedy: "leave it out for 3" }),
  },
  passes: ({ steps }) => ({ forward: steps + 3, backward: steps + 5 }),
  loss(context) {
    const { network, x, epsilon, ramp, key, options } = context;
    const clean = network.forward(x);
    const gradient = exampleGradients(context, x);
    /** |l(point) − l(x) − (point − x)ᵀg| of each example. */
    const nonlinearity = (point: Value, losses: Value, g: Value): Value => abs(sub(sub(network.forward(point).losses, losses), exampleDots(sub(point, x), g)));
    const [fixedLosses, fixedGradient] = [stopGradient(clean.losses), stopGradient(gradient)];
    const delta = unrollAttack(pgd, {
      site: { x, threat: linf, epsilon: ramp === 1 ? epsilon : mul(epsilon, ramp) },
      gradient: (point) => network.gradientOf((at) => sum(nonlinearity(at, fixedLosses, fixedGradient)), point),
      key,
      options: { ...attackOptions(pgd), steps: options.steps, start: options.start },
      alpha: options.stepSize,
    });
    const far = mean(nonlinearity(add(x, delta), clean.losses, gradient));
    const slope = mean(abs(exampleDots(delta, gradient)));
    return { adversarial: clean, regularizer: add(mul(options.lambda, far), mul(options.mu, slope)) };
  },
});
