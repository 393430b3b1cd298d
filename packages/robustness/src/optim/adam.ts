/** @file Adam with L2 regularisation in the gradient (not decoupled), as `torch.optim.Adam` computes it. */
import { add, div, mul, sqrt, square, sub, type Value, zeros } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { constant } from "../options/option.ts";
import { chosenDecay, type Decay, decayOptions, defineOptimizer, mapNamed, mapParams, type Optimizer, regularizing } from "./optimizer.ts";

/** Adam, as runs name it. */
export const adamDefinition = defineOptimizer({
  id: "adam",
  paper: "Kingma, Ba 2015, as in PyTorch",
  options: {
    beta1: constant({ least: 0, below: 1, default: 0.9, help: "decay of the mean of gradients", remedy: "write e.g. 0.9" }),
    beta2: constant({ least: 0, below: 1, default: 0.999, help: "decay of the mean of squared gradients", remedy: "write e.g. 0.999" }),
    epsilon: constant({ least: 0, most: 1, default: 1e-8, help: "added to the root of the second moment", remedy: "write e.g. 1e-8" }),
    ...decayOptions,
  },
  create: ({ beta1, beta2, epsilon, ...decay }, norms) => adam({ beta1, beta2, epsilon, ...chosenDecay(decay, norms) }),
});

/** Options of {@link adam}. */
export interface AdamOptions extends Decay {
  /** Decay of the mean of gradients; 0.9 unless set. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients; 0.999 unless set. */
  readonly beta2?: number;
  /** Added to the root of the second moment; 1e-8 unless set. */
  readonly epsilon?: number;
}

/** Moments, and the bias corrections 1 - beta^t. */
export interface AdamState {
  readonly mean: Params;
  readonly square: Params;
  readonly meanCorrection: Value;
  readonly squareCorrection: Value;
}

/** g = grad + weightDecay p; m, s = moving means of g and g²; p = p - lr (m / c1) / (√s / √c2 + epsilon), c = 1 - beta^t. */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, ...decay }: AdamOptions = {}): Optimizer<AdamState> {
  const gradient = regularizing(decay);
  return {
    name: "adam",
    init(params) {
      const none = mapParams((p) => zeros(p.shape), params);
      return { mean: none, square: none, meanCorrection: zeros([]), squareCorrection: zeros([]) };
    },
    update(params, grads, state, lr) {
      const regularised = mapNamed((name, p, g) => gradient(g, p, name), params, grads);
      const moved = mapParams((g, m) => add(mul(m, beta1), mul(g, 1 - beta1)), regularised, state.mean);
      const squared = mapParams((g, s) => add(mul(s, beta2), mul(square(g), 1 - beta2)), regularised, state.square);
      // c_t = beta c_(t-1) + (1 - beta): computing 1 - beta^t from float32 powers would lose four digits at the start.
      const meanCorrection = add(mul(state.meanCorrection, beta1), 1 - beta1);
      const squareCorrection = add(mul(state.squareCorrection, beta2), 1 - beta2);
      const rate = div(lr, meanCorrection);
      const root = sqrt(squareCorrection);
      const updated = mapParams((p, m, s) => sub(p, mul(rate, div(m, add(div(sqrt(s), root), epsilon)))), params, moved, squared);
      return [updated, { mean: moved, square: squared, meanCorrection, squareCorrection }];
    },
  };
}
